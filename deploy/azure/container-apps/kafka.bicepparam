// Container Apps and a Kafka of your own: brokers and engines are in a network that is peered.
using 'main.bicep'

param name = 'flights'
param image = 'contoso.azurecr.io/kafka-output:0.1.0'
param registryName = 'contoso'
param registryResourceGroup = 'shared'
param jobFile = loadTextContent('job-kafka.yaml')
param target = 'Kafka'
param transport = 'http2'
param peerNetworkId = '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/kafka/providers/Microsoft.Network/virtualNetworks/kafka'
param peerBothWays = true
param callerPrefixes = ['10.70.0.0/24', '10.20.0.0/16']
param minReplicas = 3
param maxReplicas = 12
param writersPerReplica = 60
