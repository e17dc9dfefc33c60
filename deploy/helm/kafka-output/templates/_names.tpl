{{/* Names and labels of all objects. */}}

{{/* Short enough for all that is put behind it. */}}
{{- define "kafka-output.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Of the service's pods and of the test's: what the network policy selects. */}}
{{- define "kafka-output.release" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of the service's pods alone: the test's pod must get no rows. */}}
{{- define "kafka-output.selector" -}}
{{ include "kafka-output.release" . }}
app.kubernetes.io/component: service
{{- end -}}

{{- define "kafka-output.metadata" -}}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "kafka-output.labels" . | nindent 2 }}
{{- end -}}

{{- define "kafka-output.labels" -}}
{{ include "kafka-output.release" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The same, and those that the second argument adds. */}}
{{- define "kafka-output.labelsAnd" -}}
{{- $labels := include "kafka-output.labels" (first .) | fromYaml -}}
{{- mergeOverwrite $labels (last .) | toYaml -}}
{{- end -}}

{{- define "kafka-output.serviceAccount" -}}
{{- $made := ternary (include "kafka-output.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $made .Values.serviceAccount.name -}}
{{- end -}}

{{- define "kafka-output.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}
