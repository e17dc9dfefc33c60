// A Container Apps environment inside a network, without a public address, and its names in DNS.

@description('Where the environment is.')
param location string

@description('The name of the environment, and of the workspace for its logs.')
param name string

@description('The subnet of the environment, delegated to Microsoft.App/environments.')
param subnetId string

@description('The network whose machines find the apps by name.')
param networkId string

@description('Another network whose machines do, such as that of engines. Empty: none.')
param otherNetworkId string

@description('Replicas are spread over zones. Not every region has zones; it cannot be changed later.')
param zoneRedundant bool

@description('How long logs are kept, in days.')
@minValue(30)
@maxValue(730)
param logRetentionDays int

@description('Who may ask for logs: Disabled, those who come by your Azure Monitor private link scope; Enabled, also those who come by the internet, with a role in the workspace.')
@allowed(['Disabled', 'Enabled'])
param logQueryAccess string

resource workspace 'Microsoft.OperationalInsights/workspaces@2026-03-01' = {
  name: name
  location: location
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: logRetentionDays
    // Logs come by diagnostic settings, over Azure's own network, which this does not close.
    publicNetworkAccessForIngestion: 'Disabled'
    publicNetworkAccessForQuery: logQueryAccess
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
  }
}

resource apps 'Microsoft.App/managedEnvironments@2026-01-01' = {
  name: name
  location: location
  properties: {
    vnetConfiguration: { infrastructureSubnetId: subnetId, internal: true }
    publicNetworkAccess: 'Disabled'
    zoneRedundant: zoneRedundant
    peerTrafficConfiguration: { encryption: { enabled: true } }
    workloadProfiles: [{ name: 'Consumption', workloadProfileType: 'Consumption' }]
    // Not `log-analytics`, which takes a key of the workspace and its public address.
    appLogsConfiguration: { destination: 'azure-monitor' }
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: apps
  name: 'logs'
  properties: {
    workspaceId: workspace.id
    logs: [
      { category: 'ContainerAppConsoleLogs', enabled: true }
      { category: 'ContainerAppSystemLogs', enabled: true }
    ]
  }
}

// An environment without a public address has no public names either.
module names 'private-zone.bicep' = {
  name: '${name}-names'
  params: {
    zoneName: apps.properties.defaultDomain
    networkId: networkId
    otherNetworkId: otherNetworkId
  }
}

module wildcard 'wildcard-record.bicep' = {
  name: '${name}-wildcard'
  params: { zoneName: apps.properties.defaultDomain, address: apps.properties.staticIp }
  dependsOn: [names]
}

@description('The environment.')
output id string = apps.id

@description('The workspace with the logs.')
output workspaceId string = workspace.id
