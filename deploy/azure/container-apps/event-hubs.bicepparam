// Container Apps and Event Hubs, engines in the same network, TLS from end to end.
using 'main.bicep'

param name = 'flights'
param image = 'ghcr.io/contoso/kafka-output:0.1.0'
param jobFile = loadTextContent('job-event-hubs.yaml')
param target = 'EventHubs'
param transport = 'tcp'
param topics = ['flight-delays']
param eventHubsTier = 'Standard'
param eventHubsCapacity = 2
param eventHubsMaximumCapacity = 10
param partitions = 12
param callerPrefixes = ['10.70.0.0/24']
