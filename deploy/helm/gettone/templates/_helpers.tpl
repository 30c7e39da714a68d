{{/* Labels of every object. */}}
{{- define "gettone.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: gettone
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* What a pod of ours may do, whichever of the two. */}}
{{- define "gettone.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "gettone.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "gettone.probes" -}}
livenessProbe:
  httpGet:
    path: /-/healthz
    port: http
  periodSeconds: 10
  timeoutSeconds: 2
  failureThreshold: 3
readinessProbe:
  httpGet:
    path: /-/ready
    port: http
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}

{{/* Where pods go, and who they are towards Prometheus. */}}
{{- define "gettone.scrape" -}}
prometheus.io/scrape: "true"
prometheus.io/port: "3001"
prometheus.io/path: /-/metrics
{{- end }}

{{- define "gettone.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        app.kubernetes.io/name: {{ . }}
{{- end }}

{{/* Variables of a map, in order. */}}
{{- define "gettone.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* The name of the Secret of client-credentials. */}}
{{- define "gettone.secret" -}}
{{- .Values.secrets.existing | default "client-credentials" -}}
{{- end }}

{{/* Where the gateway puts the verb and the path of the request to decide about. */}}
{{- define "gettone.originalRequestFrom" -}}
{{- if has .Values.gateway.kind (list "traefik" "caddy") -}}
x-forwarded
{{- else if has .Values.gateway.kind (list "envoy-gateway" "istio") -}}
path
{{- else -}}
headers
{{- end -}}
{{- end }}
