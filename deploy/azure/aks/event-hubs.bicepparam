// A cluster that is there, and a new Event Hubs namespace in its network.
using 'main.bicep'

param name = 'flights'
param clusterName = 'cluster'
param clusterResourceGroup = 'kubernetes'
param kubernetesNamespace = 'kafka-output'
param serviceAccount = 'kafka-output'
param networkId = '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/kubernetes/providers/Microsoft.Network/virtualNetworks/cluster'
param endpointSubnetId = '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/kubernetes/providers/Microsoft.Network/virtualNetworks/cluster/subnets/endpoints'
param target = 'EventHubs'
param topics = ['flight-delays', 'flight-delays-letters']
param eventHubsTier = 'Premium'
param eventHubsCapacity = 1
