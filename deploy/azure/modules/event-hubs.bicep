// An Event Hubs namespace that speaks Kafka, without a public address and without passwords.

@description('Where the namespace is.')
param location string

@description('The name of the namespace: 6 to 50 letters, digits and hyphens, unique in Azure.')
@minLength(6)
@maxLength(50)
param name string

@description('Standard is billed by throughput units; Premium also has gzip and transactions (preview).')
@allowed(['Standard', 'Premium'])
param tier string

@description('Throughput units (Standard, 1 to 40) or processing units (Premium: 1, 2, 4, 6, 8, 10, 12, 16).')
@minValue(1)
@maxValue(40)
param capacity int

@description('Up to how many throughput units a Standard namespace grows by itself. 0: it does not.')
@minValue(0)
@maxValue(40)
param maximumCapacity int

@description('The topics: those of outputs, and of their dead letters.')
param topics array

@description('Partitions of each topic. Standard has at most 32, and they cannot be changed.')
@minValue(1)
@maxValue(100)
param partitions int

@description('How long rows are kept, in hours. Standard keeps at most 168.')
@minValue(1)
@maxValue(2160)
param retentionHours int

@description('The identity of the service (its principal, not its client id).')
param principalId string

@description('The subnet of the private endpoint.')
param subnetId string

@description('The zone privatelink.servicebus.windows.net.')
param zoneId string

@description('A Log Analytics workspace that keeps who did what. Empty: nobody does.')
param workspaceId string = ''

// Azure Event Hubs Data Sender, and Receiver. The service sends to its topics, and reads nothing but
// how far its writers have come.
var sender = '2b629674-e913-4c01-ae53-ef4638d8f975'
var receiver = 'a638d3c7-ab3a-418d-83e6-5f17a39d4fde'
var grows = tier == 'Standard' && maximumCapacity > capacity

resource namespace 'Microsoft.EventHub/namespaces@2026-01-01' = {
  name: name
  location: location
  sku: { name: tier, tier: tier, capacity: capacity }
  properties: {
    kafkaEnabled: true
    disableLocalAuth: true
    publicNetworkAccess: 'Disabled'
    minimumTlsVersion: '1.2'
    isAutoInflateEnabled: grows
    maximumThroughputUnits: grows ? maximumCapacity : 0
  }
}

resource hubs 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' = [
  for topic in topics: {
    parent: namespace
    name: topic
    properties: {
      partitionCount: partitions
      retentionDescription: { cleanupPolicy: 'Delete', retentionTimeInHours: retentionHours }
    }
  }
]

// The service would make this topic itself, which takes rights to manage the namespace. So it is
// made here, as the service wants it: 16 partitions, compacted.
resource progress 'Microsoft.EventHub/namespaces/eventhubs@2026-01-01' = {
  parent: namespace
  name: 'kafka-output-progress'
  properties: {
    partitionCount: 16
    retentionDescription: { cleanupPolicy: 'Compact', tombstoneRetentionTimeInHours: 24 }
  }
}

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (topic, i) in topics: {
    scope: hubs[i]
    name: guid(hubs[i].id, principalId, sender)
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', sender)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

resource storesProgress 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: progress
  name: guid(progress.id, principalId, sender)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', sender)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource readsProgress 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: progress
  name: guid(progress.id, principalId, receiver)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', receiver)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId)) {
  scope: namespace
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
  }
}

module endpoint 'private-endpoint.bicep' = {
  name: '${name}-endpoint'
  params: {
    location: location
    name: '${name}-namespace'
    subnetId: subnetId
    resourceId: namespace.id
    part: 'namespace'
    zoneId: zoneId
  }
}

// `serviceBusEndpoint` is a URL of the cloud that this is in: https://NAME.servicebus.windows.net:443/
var host = split(split(namespace.properties.serviceBusEndpoint, '//')[1], ':')[0]

@description('The host name, as in `bootstrapServers: HOST:9093`.')
output host string = host
