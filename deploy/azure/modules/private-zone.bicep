// A private DNS zone that a network asks, made here unless there is one already.

@description('The zone, such as privatelink.vaultcore.azure.net.')
param zoneName string

@description('The network whose machines ask it.')
param networkId string

@description('Another network that asks it, which takes rights over there. Empty: none.')
param otherNetworkId string = ''

@description('A zone of that name which the network asks already. Empty: it is made.')
param existingZoneId string = ''

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = if (empty(existingZoneId)) {
  name: zoneName
  location: 'global'
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = if (empty(existingZoneId)) {
  parent: zone
  name: uniqueString(networkId)
  location: 'global'
  properties: {
    virtualNetwork: { id: networkId }
    registrationEnabled: false
  }
}

resource otherLink 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = if (empty(existingZoneId) && !empty(otherNetworkId)) {
  parent: zone
  name: uniqueString(networkId, otherNetworkId)
  location: 'global'
  properties: {
    virtualNetwork: { id: otherNetworkId }
    registrationEnabled: false
  }
}

@description('The zone.')
output id string = empty(existingZoneId) ? zone.id : existingZoneId
