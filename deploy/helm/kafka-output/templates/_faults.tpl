{{/* What is wrong with values taken together, all in one go. The schema judges each alone. */}}

{{/* Every reference of the job to a file or a variable: appended to .found, a list in a map. */}}
{{- define "kafka-output.references" -}}
{{- $found := .found -}}
{{- range $key, $value := .in -}}
{{- if and (kindIs "string" $value) (has $key (list "file" "env" "schemaFile")) -}}
{{- $_ := set $found $key (append (get $found $key) $value) -}}
{{- else if kindIs "map" $value -}}
{{- include "kafka-output.references" (dict "in" $value "found" $found) -}}
{{- else if kindIs "slice" $value -}}
{{- range $value -}}
{{- if kindIs "map" . -}}
{{- include "kafka-output.references" (dict "in" . "found" $found) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the job refers to is there. Paths of other folders are `extraVolumes`' business. */}}
{{- define "kafka-output.referenceFaults" -}}
{{- $v := .Values -}}
{{- $found := dict "file" list "env" list "schemaFile" list -}}
{{- include "kafka-output.references" (dict "in" (default dict $v.job) "found" $found) -}}
{{- $variables := list -}}
{{- range concat $v.secrets.env $v.extraEnv -}}
{{- $variables = append $variables .name -}}
{{- end -}}
{{- range uniq $found.env -}}
{{- if not (has . $variables) }}
- the job refers to the variable {{ . }}, which neither secrets.env nor extraEnv has
{{- end -}}
{{- end -}}
{{- $folders := ternary (list "external") list $v.secrets.external.enabled -}}
{{- range $v.secrets.files -}}{{- $folders = append $folders .name -}}{{- end -}}
{{- range uniq $found.file -}}
{{- $folder := regexFind "^/run/secrets/kafka-output/[^/]+" . | base -}}
{{- if and (hasPrefix "/run/secrets/kafka-output/" .) (not (has $folder $folders)) }}
- the job refers to {{ . }}, and neither secrets.files nor secrets.external has `{{ $folder }}`
{{- else if and (not (isAbs .)) (not (hasKey $v.jobFiles .)) }}
- the job refers to the file {{ . }} beside it, which jobFiles does not have
{{- end -}}
{{- end -}}
{{- range uniq $found.schemaFile -}}
{{- if and (not (isAbs .)) (not (hasKey $v.jobFiles .)) }}
- the job refers to the schema {{ . }} beside it, which jobFiles does not have
{{- end -}}
{{- end -}}
{{- if ne (len $folders) (len (uniq $folders)) }}
- secrets.files: two have the same name
{{- end -}}
{{- if ne (len $variables) (len (uniq $variables)) }}
- secrets.env, extraEnv: two have the same name
{{- end -}}
{{- end -}}

{{- define "kafka-output.jobFaults" -}}
{{- $v := .Values -}}
{{- $facts := include "kafka-output.facts" . | fromYaml -}}
{{- $job := default dict $v.job -}}
{{- if and $v.job $v.existingJob.configMap }}
- job, existingJob.configMap: one of them, not both
{{- else if not (or $v.job $v.existingJob.configMap) }}
- job: is missing; write the job file here, or name a ConfigMap in existingJob.configMap
{{- end -}}
{{- if or (dig "listen" "grpc" "address" "" $job) (dig "listen" "admin" "address" "" $job) }}
- job.listen: leave the addresses out; the chart sets them (listenHost)
{{- end -}}
{{- if and $job (not $facts.tls) (not (dig "listen" "grpc" "allowPlaintext" false $job)) }}
- job.listen.grpc: give it `tls`, or `allowPlaintext: true` for plaintext beyond the pod
{{- end -}}
{{- if and $v.workloadIdentity.enabled (ne $facts.identity "workload") }}
- workloadIdentity.enabled: the job needs `identity: { type: workload }`
{{- else if and (eq $facts.identity "workload") (not $v.workloadIdentity.enabled) }}
- the job's identity is `workload`: set workloadIdentity.enabled
{{- end -}}
{{- $client := or $v.workloadIdentity.clientId (dig "identity" "clientId" "" $job) -}}
{{- if and $v.workloadIdentity.enabled $v.serviceAccount.create (not $client) }}
- workloadIdentity.clientId: is missing; the service account is made here and needs it
{{- end -}}
{{- if eq $facts.identity "azureCli" }}
- the job's identity `azureCli` is for a developer's machine; take `workload`
{{- end -}}
{{- $needed := include "kafka-output.memoryMi" . | int64 -}}
{{- if lt (include "kafka-output.memoryLimitMi" . | int64) $needed }}
- resources.memory: is below the {{ $needed }}Mi that the job needs
{{- end -}}
{{- $stop := include "kafka-output.stopSeconds" . | int64 -}}
{{- if le (include "kafka-output.graceSeconds" . | int64) $stop }}
- stop.terminationGracePeriodSeconds: must be above {{ $stop }}, preStopSeconds and shutdownTimeout
{{- end -}}
{{- if and $facts.tls (eq $v.probes.protocol "Grpc") }}
- probes.protocol: the kubelet cannot ask a gRPC port with TLS; take Auto or Http
{{- end -}}
{{- end -}}

{{- define "kafka-output.operationFaults" -}}
{{- $v := .Values -}}
{{- $policy := $v.networkPolicy -}}
{{- if $policy.enabled -}}
{{- if not $policy.grpcFrom }}
- networkPolicy.grpcFrom: is empty, so nobody could write rows
{{- end -}}
{{- if not $policy.brokers }}
- networkPolicy.brokers: is empty, so no row could reach Kafka
{{- end -}}
{{- if and $v.monitor.enabled (not $policy.metricsFrom) }}
- networkPolicy.metricsFrom: is empty, so Prometheus (monitor.enabled) could read nothing
{{- end -}}
{{- end -}}
{{- $scaling := $v.autoscaling -}}
{{- $scaled := ne $scaling.kind "None" -}}
{{- if and $scaled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
- autoscaling: minReplicas is above maxReplicas
{{- end -}}
{{- if and (eq $scaling.kind "KEDA") (not $scaling.keda.prometheus) }}
- autoscaling.keda.prometheus: is missing
{{- end -}}
{{- $pods := ternary $scaling.minReplicas $v.replicas $scaled | int -}}
{{- $budget := $v.podDisruptionBudget -}}
{{- if and $budget.enabled (gt $pods 1) (ge (int $budget.maxUnavailable) $pods) }}
- podDisruptionBudget.maxUnavailable: must be below the number of pods, {{ $pods }}
{{- end -}}
{{- $external := $v.secrets.external -}}
{{- if and $external.enabled (not (and $external.store $external.data)) }}
- secrets.external: needs store and data
{{- end -}}
{{- if and $v.dashboard.enabled (not (.Files.Get "files/dashboard.json")) }}
- dashboard.enabled: this chart was packaged without a dashboard
{{- end -}}
{{- end -}}

{{- define "kafka-output.refuseFaults" -}}
{{- $faults := list
  (include "kafka-output.jobFaults" .)
  (include "kafka-output.referenceFaults" .)
  (include "kafka-output.operationFaults" .)
  | join "" -}}
{{- if $faults -}}{{- fail (printf "these values do not go together:%s" $faults) -}}{{- end -}}
{{- end -}}
