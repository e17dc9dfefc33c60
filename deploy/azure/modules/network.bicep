// The network of a Container Apps environment: a subnet of its own, one for private endpoints, and
// who may connect to the service.

@description('Where the resources are.')
param location string

@description('What the names of the resources begin with.')
param name string

@description('The addresses of the network. They must not meet those of a network it is peered with.')
param addressPrefix string

@description('The subnet of the environment: /27 or larger, for the environment alone.')
param environmentSubnetPrefix string

@description('The subnet of the private endpoints: /28 is enough.')
param endpointSubnetPrefix string

@description('From where engines connect.')
param callerPrefixes array

@description('The port that engines connect to, behind a tcp ingress; 443 of an http2 ingress.')
param port int

@description('DNS servers of the network. Empty: Azure\'s. Others must forward to 168.63.129.16.')
param dnsServers array

// What Azure's balancer hands over comes to the ports of its nodes, so the published port alone is
// not enough: 31443 is where the edge of the environment answers HTTPS, 30000 to 32767 are those of
// tcp (https://learn.microsoft.com/azure/container-apps/firewall-integration).
var nodePorts = port == 443 ? '31443' : '30000-32767'

resource environmentRules 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${name}-environment'
  location: location
  properties: {
    securityRules: [
      {
        name: 'callers'
        properties: {
          description: 'Engines reach the service.'
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefixes: callerPrefixes
          sourcePortRange: '*'
          destinationAddressPrefix: environmentSubnetPrefix
          destinationPortRanges: [string(port), nodePorts]
        }
      }
      {
        name: 'balancer'
        properties: {
          description: 'Azure looks whether nodes are well.'
          priority: 110
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: 'AzureLoadBalancer'
          sourcePortRange: '*'
          destinationAddressPrefix: environmentSubnetPrefix
          destinationPortRange: '30000-32767'
        }
      }
      {
        name: 'inside'
        properties: {
          description: 'The nodes of the environment talk to each other.'
          priority: 120
          direction: 'Inbound'
          access: 'Allow'
          protocol: '*'
          sourceAddressPrefix: environmentSubnetPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: environmentSubnetPrefix
          destinationPortRange: '*'
        }
      }
      {
        name: 'nobody-else'
        properties: {
          description: 'Also from peered networks, which the rules of Azure would let in.'
          priority: 4000
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource endpointRules 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: '${name}-endpoints'
  location: location
  properties: {
    securityRules: [
      {
        name: 'service'
        properties: {
          description: 'HTTPS to the vault and the registry, 9093 to Event Hubs.'
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: environmentSubnetPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: endpointSubnetPrefix
          destinationPortRanges: ['443', '9093']
        }
      }
      {
        name: 'operators'
        properties: {
          description: 'Whoever puts secrets into the vault does so from this network.'
          priority: 110
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: addressPrefix
          sourcePortRange: '*'
          destinationAddressPrefix: endpointSubnetPrefix
          destinationPortRange: '443'
        }
      }
      {
        name: 'nobody-else'
        properties: {
          description: 'Also from peered networks, which the rules of Azure would let in.'
          priority: 4000
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    dhcpOptions: { dnsServers: dnsServers }
    subnets: [
      {
        name: 'environment'
        properties: {
          addressPrefix: environmentSubnetPrefix
          networkSecurityGroup: { id: environmentRules.id }
          delegations: [
            { name: 'environment', properties: { serviceName: 'Microsoft.App/environments' } }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: endpointSubnetPrefix
          networkSecurityGroup: { id: endpointRules.id }
          // Without it the rules above do not hold for private endpoints.
          privateEndpointNetworkPolicies: 'Enabled'
          defaultOutboundAccess: false
        }
      }
    ]
  }
}

@description('The network.')
output id string = network.id

@description('Its name.')
output name string = network.name

@description('The subnet of the environment.')
output environmentSubnetId string = network.properties.subnets[0].id

@description('The subnet of the private endpoints.')
output endpointSubnetId string = network.properties.subnets[1].id
