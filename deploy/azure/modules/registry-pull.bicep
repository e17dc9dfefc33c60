// An identity may pull images from an existing registry, in the registry's own resource group.

@description('The registry.')
param registryName string

@description('The identity that pulls (its principal, not its client id).')
param principalId string

// AcrPull.
var pull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: registryName
}

resource pulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: registry
  name: guid(registry.id, principalId, pull)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', pull)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

@description('The registry.')
output id string = registry.id

@description('Where images are pulled from.')
output server string = registry.properties.loginServer
