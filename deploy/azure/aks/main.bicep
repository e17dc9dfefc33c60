// What the Helm chart needs of Azure beside an AKS cluster: an identity that the pods have, a vault
// and, if wanted, an Event Hubs namespace, both with addresses in the cluster's network alone.

@description('What names begin with: 3 to 12 lower-case letters and digits, a letter first.')
@minLength(3)
@maxLength(12)
param name string

@description('Where everything is: the region of the cluster\'s network.')
param location string = resourceGroup().location

@description('The cluster. It has the OIDC issuer and workload identity switched on.')
param clusterName string

@description('The resource group of the cluster.')
param clusterResourceGroup string = resourceGroup().name

@description('The Kubernetes namespace of the release.')
param kubernetesNamespace string = 'kafka-output'

@description('The service account of the pods; the chart\'s is called like the release.')
param serviceAccount string = 'kafka-output'

@description('The network of the cluster (its resource id).')
param networkId string

@description('A subnet of that network for private endpoints (its resource id).')
param endpointSubnetId string

@description('The zone privatelink.vaultcore.azure.net, if that network asks one already (its resource id). Empty: it is made.')
param vaultZoneId string = ''

@description('The zone privatelink.servicebus.windows.net, if that network asks one already (its resource id). Empty: it is made.')
param eventHubsZoneId string = ''

@description('Event Hubs: a namespace is made here. Kafka: brokers that are there already.')
@allowed(['EventHubs', 'Kafka'])
param target string

@description('The topics: those of outputs, and of their dead letters. Only for Event Hubs.')
param topics array = ['flight-delays']

@description('Standard is billed by throughput units; Premium also has gzip and transactions (preview).')
@allowed(['Standard', 'Premium'])
param eventHubsTier string = 'Standard'

@description('Throughput units (Standard, 1 to 40) or processing units (Premium: 1, 2, 4, 6, 8, 10, 12, 16). A throughput unit takes 1 MB and 1,000 records a second.')
@minValue(1)
@maxValue(40)
param eventHubsCapacity int = 1

@description('Up to how many throughput units a Standard namespace grows by itself. 0: it does not.')
@minValue(0)
@maxValue(40)
param eventHubsMaximumCapacity int = 10

@description('Partitions of each topic. Standard has at most 32, and they cannot be changed.')
@minValue(1)
@maxValue(100)
param partitions int = 12

@description('How long rows are kept, in hours. Standard keeps at most 168.')
@minValue(1)
@maxValue(2160)
param retentionHours int = 24

@description('A Log Analytics workspace that keeps who read secrets and changed topics. Empty: nobody does.')
param workspaceId string = ''

var hubs = target == 'EventHubs'
var unique = take(uniqueString(resourceGroup().id, name), 8)

resource cluster 'Microsoft.ContainerService/managedClusters@2026-01-01' existing = {
  name: clusterName
  scope: resourceGroup(clusterResourceGroup)
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-service'
  location: location

  // Entra ID takes tokens of this one service account of this one cluster.
  resource pods 'federatedIdentityCredentials' = {
    name: '${kubernetesNamespace}-${serviceAccount}'
    properties: {
      issuer: cluster.properties.oidcIssuerProfile.issuerURL
      subject: 'system:serviceaccount:${kubernetesNamespace}:${serviceAccount}'
      audiences: ['api://AzureADTokenExchange']
    }
  }
}

// Not made of `environment().suffixes.keyvaultDns`: the zone of private endpoints has another name.
module vaultZone '../modules/private-zone.bicep' = {
  name: '${name}-vault-zone'
  params: {
    zoneName: 'privatelink.vaultcore.azure.net'
    networkId: networkId
    existingZoneId: vaultZoneId
  }
}

module vault '../modules/key-vault.bicep' = {
  name: '${name}-vault'
  params: {
    location: location
    name: '${name}-${unique}'
    principalId: identity.properties.principalId
    subnetId: endpointSubnetId
    zoneId: vaultZone.outputs.id
    workspaceId: workspaceId
  }
}

module hubsZone '../modules/private-zone.bicep' = if (hubs) {
  name: '${name}-hubs-zone'
  params: {
    zoneName: 'privatelink.servicebus.windows.net'
    networkId: networkId
    existingZoneId: eventHubsZoneId
  }
}

module namespace '../modules/event-hubs.bicep' = if (hubs) {
  name: '${name}-hubs'
  params: {
    location: location
    name: '${name}-${unique}-hubs'
    tier: eventHubsTier
    capacity: eventHubsCapacity
    maximumCapacity: eventHubsMaximumCapacity
    topics: topics
    partitions: partitions
    retentionHours: retentionHours
    principalId: identity.properties.principalId
    subnetId: endpointSubnetId
    zoneId: hubs ? hubsZone!.outputs.id : ''
    workspaceId: workspaceId
  }
}

@description('The client id, for the annotation azure.workload.identity/client-id.')
output identityClientId string = identity.properties.clientId

@description('What the job file calls `vault`.')
output vaultUri string = vault.outputs.uri

@description('The vault that the secrets of the job file are put into.')
output vaultName string = vault.outputs.name

@description('The brokers, as the job file has them; empty if they are yours.')
output bootstrapServers string = hubs ? '${namespace!.outputs.host}:9093' : ''
