{{/* What the service's pods and the test's pod have in common. */}}

{{- define "kafka-output.podLabels" -}}
{{- if .Values.workloadIdentity.enabled }}
# The webhook passes over pods without this label; it must be text.
azure.workload.identity/use: "true"
{{- end }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* All that Pod Security `restricted` asks for, of the pod. */}}
{{- define "kafka-output.podSecurity" -}}
serviceAccountName: {{ include "kafka-output.serviceAccount" . }}
# The API of the cluster is not used. The token for Azure is a volume of its own.
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  # Mounted secrets are this group's to read.
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* And of the container. */}}
{{- define "kafka-output.containerSecurity" -}}
image: {{ include "kafka-output.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: 65532
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "kafka-output.env" -}}
env:
  - name: KAFKA_OUTPUT_LOG
    value: {{ .Values.logLevel | quote }}
  {{- range .Values.secrets.env }}
  - name: {{ .name }}
    valueFrom:
      secretKeyRef:
        name: {{ .secret }}
        key: {{ .key | quote }}
  {{- end }}
  {{- range .Values.extraEnv }}
  - name: {{ .name }}
    value: {{ .value | quote }}
  {{- end }}
{{- end -}}

{{/* Folders, never single files: only those follow a change. */}}
{{- define "kafka-output.volumeMounts" -}}
volumeMounts:
  - name: job
    mountPath: /etc/kafka-output
    readOnly: true
  {{- range .Values.secrets.files }}
  - name: secret-{{ .name }}
    mountPath: /run/secrets/kafka-output/{{ .name }}
    readOnly: true
  {{- end }}
  {{- if .Values.secrets.external.enabled }}
  - name: secret-external
    mountPath: /run/secrets/kafka-output/external
    readOnly: true
  {{- end }}
  {{- range .Values.extraVolumeMounts }}
  - {{ mergeOverwrite (deepCopy .) (dict "readOnly" true) | toYaml | nindent 4 | trim }}
  {{- end }}
{{- end -}}

{{- define "kafka-output.volumes" -}}
volumes:
  - name: job
    configMap:
      {{- if .Values.existingJob.configMap }}
      name: {{ .Values.existingJob.configMap }}
      {{- if ne .Values.existingJob.key "job.yaml" }}
      items:
        - key: {{ .Values.existingJob.key }}
          path: job.yaml
      {{- end }}
      {{- else }}
      name: {{ include "kafka-output.fullname" . }}-job
      {{- end }}
  {{- range .Values.secrets.files }}
  - name: secret-{{ .name }}
    secret:
      secretName: {{ .secret }}
      defaultMode: 0440
      {{- with .keys }}
      items:
        {{- range . }}
        - key: {{ . | quote }}
          path: {{ . | quote }}
        {{- end }}
      {{- end }}
  {{- end }}
  {{- if .Values.secrets.external.enabled }}
  - name: secret-external
    secret:
      secretName: {{ include "kafka-output.fullname" . }}-external
      defaultMode: 0440
  {{- end }}
  {{- range .Values.extraVolumes }}
  - {{ toYaml . | nindent 4 | trim }}
  {{- end }}
{{- end -}}
