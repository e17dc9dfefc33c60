// A vault without a public address, which one identity may read secrets of.

@description('Where the vault is.')
param location string

@description('The name of the vault: 3 to 24 letters, digits and hyphens, unique in Azure.')
@minLength(3)
@maxLength(24)
param name string

@description('The identity of the service (its principal, not its client id).')
param principalId string

@description('The subnet of the private endpoint.')
param subnetId string

@description('The zone privatelink.vaultcore.azure.net.')
param zoneId string

@description('A Log Analytics workspace that keeps who read what. Empty: nobody does.')
param workspaceId string = ''

// Key Vault Secrets User: reads values of secrets, and keys of certificates as the secrets of the
// same name; can neither list keys, nor write, nor change rights.
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: name
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: 'Disabled'
    networkAcls: { bypass: 'None', defaultAction: 'Deny' }
  }
}

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, principalId, secretsUser)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId)) {
  scope: vault
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
    name: '${name}-vault'
    subnetId: subnetId
    resourceId: vault.id
    part: 'vault'
    zoneId: zoneId
  }
}

@description('What a job file calls `vault`.')
output uri string = 'https://${name}${environment().suffixes.keyvaultDns}'

@description('The name of the vault.')
output name string = vault.name
