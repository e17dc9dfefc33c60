// The service as a container app: its job file as a mounted secret, probes, scale and ingress.

@description('Where the app is.')
param location string

@description('The name of the app: at most 32 lower-case letters, digits and hyphens.')
@maxLength(32)
param name string

@description('The Container Apps environment.')
param environmentId string

@description('The image, as REGISTRY/OWNER/kafka-output@sha256:DIGEST or with a tag.')
param image string

@description('The job file, complete.')
@secure()
param jobFile string

@description('The identity that reads the vault and writes to Event Hubs (its resource id).')
param identityId string

@description('The registry that wants a login, such as contoso.azurecr.io. Empty: it wants none.')
param registryServer string

@description('The identity that pulls the image from there, and nothing else (its resource id).')
param pullIdentityId string

@description('tcp: the service\'s own TLS from end to end. http2: TLS ends at the ingress.')
@allowed(['tcp', 'http2'])
param transport string

@description('Whether an http2 ingress asks callers for a certificate. The service does not see it.')
@allowed(['ignore', 'accept', 'require'])
param clientCertificateMode string

@description('Cores of a replica; it gets 2 GiB of memory for each.')
@allowed(['0.5', '1', '2', '4'])
param cores string

@description('The fewest replicas.')
@minValue(1)
param minReplicas int

@description('The most replicas.')
@minValue(1)
@maxValue(1000)
param maxReplicas int

@description('Another replica comes when there are more streams (http2) or connections (tcp) than this.')
@minValue(1)
param writersPerReplica int

@description('How long a replica may take to end. Longer than `shutdownTimeout` of the job file.')
@minValue(5)
@maxValue(600)
param terminationGracePeriodSeconds int

@description('What is logged, as KAFKA_OUTPUT_LOG: info, debug, or info,librdkafka=debug.')
param logLevel string

// A replica sees no change of a mounted secret for sure before it starts again. So the name of the
// file follows its content: another job file is another template, hence a new revision, which takes
// over without a gap. An older file again is one more, so a rollback is a deployment like any other.
var jobFileName = 'job-${uniqueString(jobFile)}.yaml'
var pulls = !empty(registryServer)
var memory = { '0.5': '1Gi', '1': '2Gi', '2': '4Gi', '4': '8Gi' }
var identities = pulls ? { '${identityId}': {}, '${pullIdentityId}': {} } : { '${identityId}': {} }
// The image is pulled before there is a container, so its identity is no business of the service.
var main = { identity: identityId, lifecycle: 'Main' }
var lifecycles = pulls ? [main, { identity: pullIdentityId, lifecycle: 'None' }] : [main]
var tcp = transport == 'tcp'
var limit = string(writersPerReplica)
var connections = { name: 'writers', tcp: { metadata: { concurrentConnections: limit } } }
var streams = { name: 'writers', http: { metadata: { concurrentRequests: limit } } }

resource app 'Microsoft.App/containerApps@2026-01-01' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: identities
  }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      maxInactiveRevisions: 5
      identitySettings: lifecycles
      registries: pulls ? [{ server: registryServer, identity: pullIdentityId }] : []
      secrets: [{ name: 'job', value: jobFile }]
      ingress: {
        // Beyond the environment, which has no public address: to the network alone.
        external: true
        transport: transport
        targetPort: 7070
        exposedPort: tcp ? 7070 : null
        allowInsecure: tcp ? null : false
        clientCertificateMode: tcp ? null : clientCertificateMode
        traffic: [{ latestRevision: true, weight: 100 }]
      }
    }
    template: {
      terminationGracePeriodSeconds: terminationGracePeriodSeconds
      containers: [
        {
          name: 'kafka-output'
          image: image
          args: ['serve', '/etc/kafka-output/${jobFileName}']
          env: [{ name: 'KAFKA_OUTPUT_LOG', value: logLevel }]
          resources: { cpu: json(cores), memory: memory[cores] }
          volumeMounts: [{ volumeName: 'job', mountPath: '/etc/kafka-output' }]
          probes: [
            {
              // The vault may be slow, and the port of writers waits for its certificate; this
              // one does not.
              type: 'Startup'
              httpGet: { path: '/livez', port: 7071, scheme: 'HTTP' }
              periodSeconds: 2
              timeoutSeconds: 2
              failureThreshold: 30
            }
            {
              // Nothing to do with Kafka: a restart mends no broker.
              type: 'Liveness'
              httpGet: { path: '/livez', port: 7071, scheme: 'HTTP' }
              periodSeconds: 10
              timeoutSeconds: 5
              failureThreshold: 3
            }
            {
              type: 'Readiness'
              httpGet: { path: '/readyz', port: 7071, scheme: 'HTTP' }
              periodSeconds: 5
              timeoutSeconds: 5
              failureThreshold: 2
            }
          ]
        }
      ]
      scale: {
        minReplicas: minReplicas
        maxReplicas: maxReplicas
        rules: [tcp ? connections : streams]
      }
      volumes: [
        {
          name: 'job'
          storageType: 'Secret'
          secrets: [{ secretRef: 'job', path: jobFileName }]
        }
      ]
    }
  }
}

@description('Where engines connect to.')
output address string = '${app.properties.configuration.ingress.fqdn}:${tcp ? 7070 : 443}'

@description('The job file inside the container, for `kafka-output check`.')
output jobPath string = '/etc/kafka-output/${jobFileName}'
