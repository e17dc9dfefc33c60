// kafka-output in Azure Container Apps, in a network of its own, without any public address.

@description('What names begin with: 3 to 12 lower-case letters and digits, a letter first.')
@minLength(3)
@maxLength(12)
param name string

@description('Where everything is.')
param location string = resourceGroup().location

@description('The image, as REGISTRY/OWNER/kafka-output@sha256:DIGEST or with a tag.')
param image string

@description('The job file. What it says of this-vault, this-namespace and the client id of zeros is replaced by what is made here.')
@secure()
param jobFile string

@description('Event Hubs: a namespace is made here. Kafka: brokers that are there already, reached by the peering.')
@allowed(['EventHubs', 'Kafka'])
param target string

@description('tcp: the service\'s own TLS from end to end. http2: TLS ends at the ingress, and the job file says allowPlaintext.')
@allowed(['tcp', 'http2'])
param transport string = 'tcp'

@description('Whether an http2 ingress asks callers for a certificate. The service does not see it.')
@allowed(['ignore', 'accept', 'require'])
param clientCertificateMode string = 'ignore'

@description('The addresses of the network that is made. They must not meet those of the peered one.')
param addressPrefix string = '10.70.0.0/24'

@description('Its subnet for the environment: /27 or larger, for the environment alone.')
param environmentSubnetPrefix string = '10.70.0.0/26'

@description('Its subnet for private endpoints: /28 or larger.')
param endpointSubnetPrefix string = '10.70.0.64/27'

@description('From where engines connect: addresses of this network or of the peered one.')
param callerPrefixes array = ['10.70.0.0/24']

@description('DNS servers of the network. Empty: Azure\'s. Others must forward to 168.63.129.16.')
param dnsServers array = []

@description('The network of the brokers, and of engines, which this one is peered with (its resource id). Empty: none.')
param peerNetworkId string = ''

@description('Whether the other network also gets its direction of the peering, and the names of this environment, which takes rights over there.')
param peerBothWays bool = true

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

@description('The fewest replicas. With two, one may end while the other serves.')
@minValue(1)
param minReplicas int = 2

@description('The most replicas.')
@minValue(1)
@maxValue(1000)
param maxReplicas int = 10

@description('Cores of a replica; it gets 2 GiB of memory for each.')
@allowed(['0.5', '1', '2', '4'])
param cores string = '1'

@description('Another replica comes when there are more streams (http2) or connections (tcp) than this.')
@minValue(1)
param writersPerReplica int = 50

@description('Replicas are spread over zones. Not every region has zones; it cannot be changed later.')
param zoneRedundant bool = true

@description('How long a replica may take to end. Longer than `shutdownTimeout` of the job file, which is 25 s unless it says otherwise.')
@minValue(5)
@maxValue(600)
param terminationGracePeriodSeconds int = 40

@description('What is logged, as KAFKA_OUTPUT_LOG: info, debug, or info,librdkafka=debug.')
param logLevel string = 'info'

@description('How long logs are kept, in days.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Who may ask for logs: Disabled, those who come by your Azure Monitor private link scope; Enabled, also those who come by the internet, with a role in the workspace.')
@allowed(['Disabled', 'Enabled'])
param logQueryAccess string = 'Disabled'

@description('An Azure container registry (Premium) that has the image; it gets a private endpoint. Empty: the image is pulled without a login.')
param registryName string = ''

@description('The resource group of that registry.')
param registryResourceGroup string = resourceGroup().name

var hubs = target == 'EventHubs'
var pulls = !empty(registryName)
var peered = !empty(peerNetworkId)
// /subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Network/virtualNetworks/NAME
var peerSubscription = peered ? split(peerNetworkId, '/')[2] : subscription().subscriptionId
var peerGroup = peered ? split(peerNetworkId, '/')[4] : resourceGroup().name
var unique = take(uniqueString(resourceGroup().id, name), 8)

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-service'
  location: location
}

resource pullIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = if (pulls) {
  name: '${name}-pull'
  location: location
}

module net '../modules/network.bicep' = {
  name: '${name}-network'
  params: {
    location: location
    name: '${name}-network'
    addressPrefix: addressPrefix
    environmentSubnetPrefix: environmentSubnetPrefix
    endpointSubnetPrefix: endpointSubnetPrefix
    callerPrefixes: callerPrefixes
    port: transport == 'tcp' ? 7070 : 443
    dnsServers: dnsServers
  }
}

module there '../modules/peering.bicep' = if (peered) {
  name: '${name}-peering'
  params: { networkName: net.outputs.name, remoteNetworkId: peerNetworkId }
}

module back '../modules/peering.bicep' = if (peered && peerBothWays) {
  name: '${name}-peering-back'
  scope: resourceGroup(peerSubscription, peerGroup)
  params: { networkName: last(split(peerNetworkId, '/')), remoteNetworkId: net.outputs.id }
}

module apps '../modules/environment.bicep' = {
  name: '${name}-environment'
  params: {
    location: location
    name: '${name}-environment'
    subnetId: net.outputs.environmentSubnetId
    networkId: net.outputs.id
    otherNetworkId: peerBothWays ? peerNetworkId : ''
    zoneRedundant: zoneRedundant
    logRetentionDays: logRetentionDays
    logQueryAccess: logQueryAccess
  }
}

// Not made of `environment().suffixes.keyvaultDns`: the zone of private endpoints has another name.
module vaultZone '../modules/private-zone.bicep' = {
  name: '${name}-vault-zone'
  params: { zoneName: 'privatelink.vaultcore.azure.net', networkId: net.outputs.id }
}

module vault '../modules/key-vault.bicep' = {
  name: '${name}-vault'
  params: {
    location: location
    name: '${name}-${unique}'
    principalId: identity.properties.principalId
    subnetId: net.outputs.endpointSubnetId
    zoneId: vaultZone.outputs.id
    workspaceId: apps.outputs.workspaceId
  }
}

module hubsZone '../modules/private-zone.bicep' = if (hubs) {
  name: '${name}-hubs-zone'
  params: { zoneName: 'privatelink.servicebus.windows.net', networkId: net.outputs.id }
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
    subnetId: net.outputs.endpointSubnetId
    zoneId: hubs ? hubsZone!.outputs.id : ''
    workspaceId: apps.outputs.workspaceId
  }
}

module registry '../modules/registry-pull.bicep' = if (pulls) {
  name: '${name}-registry'
  scope: resourceGroup(registryResourceGroup)
  params: {
    registryName: registryName
    principalId: pulls ? pullIdentity!.properties.principalId : ''
  }
}

module registryZone '../modules/private-zone.bicep' = if (pulls) {
  name: '${name}-registry-zone'
  params: { zoneName: 'privatelink.azurecr.io', networkId: net.outputs.id }
}

module registryEndpoint '../modules/private-endpoint.bicep' = if (pulls) {
  name: '${name}-registry-endpoint'
  params: {
    location: location
    name: '${name}-registry'
    subnetId: net.outputs.endpointSubnetId
    resourceId: pulls ? registry!.outputs.id : ''
    part: 'registry'
    zoneId: pulls ? registryZone!.outputs.id : ''
  }
}

// The examples are valid job files with names that say what stands in for them, so that
// `kafka-output check --offline` takes them as they are.
var clientPlaceholder = '00000000-0000-0000-0000-000000000000'
var vaultPlaceholder = 'https://this-vault${environment().suffixes.keyvaultDns}'
var hostPlaceholder = 'this-namespace.servicebus.windows.net'
var withClient = replace(jobFile, clientPlaceholder, identity.properties.clientId)
var withVault = replace(withClient, vaultPlaceholder, vault.outputs.uri)
var job = hubs ? replace(withVault, hostPlaceholder, namespace!.outputs.host) : withVault

module app '../modules/container-app.bicep' = {
  name: '${name}-app'
  params: {
    location: location
    name: name
    environmentId: apps.outputs.id
    image: image
    jobFile: job
    identityId: identity.id
    registryServer: pulls ? registry!.outputs.server : ''
    pullIdentityId: pulls ? pullIdentity!.id : ''
    transport: transport
    clientCertificateMode: clientCertificateMode
    cores: cores
    minReplicas: minReplicas
    maxReplicas: maxReplicas
    writersPerReplica: writersPerReplica
    terminationGracePeriodSeconds: terminationGracePeriodSeconds
    logLevel: logLevel
  }
  // Names must lead to private addresses, and images be there, before anything starts.
  dependsOn: [there, back, registryEndpoint]
}

@description('Where engines connect to.')
output address string = app.outputs.address

@description('The job file inside the container, for `kafka-output check`.')
output jobPath string = app.outputs.jobPath

@description('The vault that the secrets of the job file are put into.')
output vaultName string = vault.outputs.name

@description('The brokers, as a job file has them; empty if they are yours.')
output bootstrapServers string = hubs ? '${namespace!.outputs.host}:9093' : ''

@description('The identity of the service, for rights of your own.')
output identityClientId string = identity.properties.clientId
