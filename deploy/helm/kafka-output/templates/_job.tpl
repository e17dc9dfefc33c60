{{/* What the chart knows of the job file, and what follows from it. */}}

{{/* The job file as the pods get it: with the two addresses. */}}
{{- define "kafka-output.job" -}}
{{- $job := deepCopy .Values.job -}}
{{- $listen := dict "grpc" (dict "address" (printf "%s:7070" .Values.listenHost)) -}}
{{- $_ := set $listen "admin" (dict "address" (printf "%s:7071" .Values.listenHost)) -}}
{{- toYaml (mergeOverwrite $job (dict "listen" $listen)) -}}
{{- end -}}

{{/* memory, shutdownTimeout, exactlyOnce, tls, identity, tokens: of the job, or as told of it. */}}
{{- define "kafka-output.facts" -}}
{{- if .Values.existingJob.configMap -}}
{{- .Values.existingJob | toYaml -}}
{{- else -}}
{{- $job := default dict .Values.job -}}
{{- $outputs := append (default list $job.outputs) (default dict $job.defaults) -}}
{{- $exact := false -}}
{{- range $outputs -}}
{{- if eq (toString .guarantee) "exactlyOnce" -}}{{- $exact = true -}}{{- end -}}
{{- end -}}
{{- dict
  "memory" (default "512 MiB" $job.memory)
  "shutdownTimeout" (default "25s" $job.shutdownTimeout)
  "exactlyOnce" $exact
  "tls" (hasKey (dig "listen" "grpc" dict $job) "tls")
  "identity" (dig "identity" "type" "" $job)
  "tokens" (hasKey (dig "listen" "grpc" dict $job) "tokens")
  | toYaml -}}
{{- end -}}
{{- end -}}

{{/* `512 MiB` in bytes. The schema has judged the form. */}}
{{- define "kafka-output.bytes" -}}
{{- $units := dict "" 1 "B" 1 "KB" 1000 "MB" 1000000 "GB" 1000000000
  "KiB" 1024 "MiB" 1048576 "GiB" 1073741824 -}}
{{- $text := . -}}
{{- /* A number is a float for Helm, which as text may be 5.36870912e+08. */ -}}
{{- if not (kindIs "string" .) -}}{{- $text = int64 . | toString -}}{{- end -}}
{{- mul (regexFind "^[0-9]+" $text | int64) (get $units (regexFind "[A-Za-z]*$" $text)) -}}
{{- end -}}

{{/* `25s` in milliseconds. */}}
{{- define "kafka-output.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[a-z]+$" .)) -}}
{{- end -}}

{{/* The memory that a pod needs, in MiB: the README of the project says what to count. */}}
{{- define "kafka-output.memoryMi" -}}
{{- $facts := include "kafka-output.facts" . | fromYaml -}}
{{- $percent := mul (include "kafka-output.bytes" $facts.memory | int64) 115 -}}
{{- add (div (add $percent 104857599) 104857600) (ternary 60 40 $facts.exactlyOnce) -}}
{{- end -}}

{{/* The limit in MiB, as it is set or as it follows. */}}
{{- define "kafka-output.memoryLimitMi" -}}
{{- $set := .Values.resources.memory -}}
{{- if not $set -}}
{{- include "kafka-output.memoryMi" . -}}
{{- else -}}
{{- mul (regexFind "^[0-9]+" $set | int64) (ternary 1024 1 (hasSuffix "Gi" $set)) -}}
{{- end -}}
{{- end -}}

{{/* The seconds that a stop may take at most: on until balancers know, then the job's. */}}
{{- define "kafka-output.stopSeconds" -}}
{{- $facts := include "kafka-output.facts" . | fromYaml -}}
{{- $milliseconds := include "kafka-output.milliseconds" $facts.shutdownTimeout | int64 -}}
{{- add .Values.stop.preStopSeconds (div (add $milliseconds 999) 1000) -}}
{{- end -}}

{{- define "kafka-output.graceSeconds" -}}
{{- $stop := include "kafka-output.stopSeconds" . | int64 -}}
{{- default (add $stop 5) .Values.stop.terminationGracePeriodSeconds | int64 -}}
{{- end -}}

{{/* The protocol of the probes. The kubelet cannot ask a gRPC port that speaks TLS. */}}
{{- define "kafka-output.probes" -}}
{{- $facts := include "kafka-output.facts" . | fromYaml -}}
{{- $auto := ternary "Http" "Grpc" $facts.tls -}}
{{- ternary $auto .Values.probes.protocol (eq .Values.probes.protocol "Auto") -}}
{{- end -}}

{{/* A digest of what a running service cannot take over: all but outputs, what they have in common,
     and `shutdownTimeout`, which changes the pods anyway. Pods are replaced when it changes. */}}
{{- define "kafka-output.restartDigest" -}}
{{- $job := include "kafka-output.job" . | fromYaml -}}
{{- omit $job "outputs" "defaults" "shutdownTimeout" | toJson | sha256sum | trunc 16 -}}
{{- end -}}
