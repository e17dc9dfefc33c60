// An address in our network for a resource that has none in public, and its name in DNS.

@description('Where the endpoint is.')
param location string

@description('The name of the endpoint.')
param name string

@description('The subnet that gets the address.')
param subnetId string

@description('The resource behind it.')
param resourceId string

@description('Which part of the resource: vault, namespace or registry.')
@allowed(['vault', 'namespace', 'registry'])
param part string

@description('The zone that gets the name.')
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: name
  location: location
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      { name: name, properties: { privateLinkServiceId: resourceId, groupIds: [part] } }
    ]
  }

  resource names 'privateDnsZoneGroups' = {
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [{ name: part, properties: { privateDnsZoneId: zoneId } }]
    }
  }
}
