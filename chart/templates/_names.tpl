{{/* The release's objects are called after it, but for a release that has the chart's own name. */}}
{{- define "probe.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* What selects the pods: never changed, or upgrades would fail. */}}
{{- define "probe.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "probe.labels" -}}
{{ include "probe.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "probe.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}{{ end }}
{{- end }}

{{- define "probe.priority" -}}
{{ .Values.priorityClassName | default (include "probe.name" .) }}
{{- end }}

{{/* What all containers have in common. */}}
{{- define "probe.container" -}}
image: {{ include "probe.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: ["serve"]
ports:
- name: metrics
  containerPort: 9753
livenessProbe:
  {{- include "probe.asks" (dict "context" . "path" "/healthz") | nindent 2 }}
  periodSeconds: 30
  timeoutSeconds: 5
readinessProbe:
  {{- include "probe.asks" (dict "context" . "path" "/readyz") | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
securityContext:
  privileged: false
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: ["ALL"]
{{- end }}

{{/* How a kubelet asks for health. It has no certificate to show. */}}
{{- define "probe.asks" -}}
{{- $web := .context.Values.web -}}
{{- if and $web.secret $web.clientCertificates -}}
tcpSocket: {port: metrics}
{{- else if and $web.secret $web.tls -}}
httpGet: {path: {{ .path }}, port: metrics, scheme: HTTPS}
{{- else -}}
httpGet: {path: {{ .path }}, port: metrics}
{{- end -}}
{{- end }}

{{/* The web configuration file and all that it names. */}}
{{- define "probe.web.env" -}}
- name: STORAGE_PROBE_WEB_CONFIG_FILE
  value: /etc/scope-storage-probe-web/web.yaml
{{- end }}

{{- define "probe.web.mount" -}}
- name: web
  mountPath: /etc/scope-storage-probe-web
  readOnly: true
{{- end }}

{{- define "probe.web.volume" -}}
- name: web
  secret: {secretName: {{ .Values.web.secret | quote }}}
{{- end }}

{{- define "probe.pod" -}}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with .priority }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: 10
{{- with .context.Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{/* A user of its own, in this group; with Scope root, who alone may make its sockets. */}}
{{- define "probe.user" -}}
{{- if .context.Values.scope.enabled }}
runAsNonRoot: false
runAsUser: 0
runAsGroup: 0
{{- include "probe.seccomp" .context }}
{{- else }}
{{- include "probe.own" . }}
{{- end }}
{{- end }}

{{- define "probe.own" -}}
runAsNonRoot: true
runAsUser: 65527
runAsGroup: {{ .group }}
{{- include "probe.seccomp" .context }}
{{- end }}

{{/* The runtime's own profile, or one that is on every node. */}}
{{- define "probe.seccomp" }}
seccompProfile:
  {{- with .Values.seccompProfile }}
  type: Localhost
  localhostProfile: {{ . | quote }}
  {{- else }}
  type: RuntimeDefault
  {{- end }}
{{- end }}
