{{/* The pod of a group: the same for a Deployment and a StatefulSet. */}}

{{/* (list $ "BRANCHLINE_STORE" "mysql" url): a backend by the secret that names it, or bundled with its password */}}
{{- define "branchline.backend" -}}
{{- $ := index . 0 -}}
{{- $variable := index . 1 -}}
{{- $name := index . 2 -}}
{{- $it := index $.Values $name -}}
{{- if $it.enabled }}
- name: {{ upper $name }}_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ include "branchline.passwords" (list $ $name) }}, key: password}
- name: {{ $variable }}
  value: {{ index . 3 | quote }}
{{- else if $it.external.existingSecret }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef: {name: {{ $it.external.existingSecret }}, key: {{ $it.external.key }}}
{{- end }}
{{- end -}}

{{- define "branchline.backends" -}}
{{- $host := include "branchline.fullname" . -}}
{{- include "branchline.backend" (list . "BRANCHLINE_STORE" "mysql" (printf "mysql://%s:$(MYSQL_PASSWORD)@%s-mysql:3306/%s" .Values.mysql.username $host .Values.mysql.database)) }}
{{- include "branchline.backend" (list . "BRANCHLINE_CACHE" "redis" (printf "redis://:$(REDIS_PASSWORD)@%s-redis:6379/0" $host)) }}
{{- include "branchline.backend" (list . "BRANCHLINE_BUS" "rabbitmq" (printf "amqp://%s:$(RABBITMQ_PASSWORD)@%s-rabbitmq:5672/%%2f" .Values.rabbitmq.username $host)) }}
{{- end -}}

{{/* (list $ group) */}}
{{- define "branchline.env" -}}
{{- $ := index . 0 -}}
{{- $group := index . 1 -}}
{{- $listen := $.Values.listen -}}
- name: BRANCHLINE_NODE
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: BRANCHLINE_SERVE
  value: {{ join "," $group.serve | quote }}
- name: BRANCHLINE_DATA
  value: /data
- name: BRANCHLINE_STOP_SECONDS
  value: {{ int $group.stopSeconds | quote }}
- name: BRANCHLINE_GRPC
  value: {{ printf "%s:%d" $listen (int $.Values.ports.grpc) | quote }}
{{- with $.Values.operators.tls }}
{{- if .existingSecret }}
- name: BRANCHLINE_GRPC_CERT
  value: /operators/tls/tls.crt
- name: BRANCHLINE_GRPC_KEY
  value: /operators/tls/tls.key
{{- if .clientCaSecret }}
- name: BRANCHLINE_GRPC_CLIENT_CA
  value: /operators/ca/ca.crt
{{- end }}
{{- end }}
{{- end }}
- name: BRANCHLINE_ADMIN_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ include "branchline.keys" $ }}, key: admin-token}
{{- if $group.gateway }}
- name: BRANCHLINE_HTTP
  value: {{ printf "%s:%d" $listen (int $.Values.ports.http) | quote }}
{{- if $.Values.gateway.tls.existingSecret }}
- name: BRANCHLINE_TLS_CERT
  value: /tls/tls.crt
- name: BRANCHLINE_TLS_KEY
  value: /tls/tls.key
{{- end }}
{{- end }}
{{- if $group.voice }}
- name: BRANCHLINE_SIP
  value: {{ printf "%s:%d" $listen (int $.Values.ports.sip) | quote }}
- name: BRANCHLINE_RTP
  value: {{ printf "%d-%d" (int $.Values.ports.rtp.first) (int $.Values.ports.rtp.last) | quote }}
{{- $address := $group.address | default $.Values.voice.address }}
{{- if eq $address "host" }}
- name: BRANCHLINE_EXTERNAL_IP
  valueFrom:
    fieldRef: {fieldPath: status.hostIP}
{{- else if $address }}
- name: BRANCHLINE_EXTERNAL_IP
  value: {{ $address | quote }}
{{- end }}
{{- end }}
{{- if $group.watches }}
- name: BRANCHLINE_PODS
  value: {{ include "branchline.watched" $ | quote }}
{{- end }}
{{- include "branchline.backends" $ }}
{{- if $.Values.speech.existingSecret }}
- name: BRANCHLINE_SPEECH_KEY
  valueFrom:
    secretKeyRef: {name: {{ $.Values.speech.existingSecret }}, key: {{ $.Values.speech.key }}}
{{- end }}
{{- range $name, $value := $.Values.settings }}
- name: BRANCHLINE_{{ $name | upper | replace "-" "_" }}
  value: {{ ternary (int64 $value) $value (kindIs "float64" $value) | quote }}
{{- end }}
{{- with $group.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (list $ group). Every node answers on the operators' port. Ready is who reaches store and bus and does not drain;
     what lives asks neither, so that their outage ends no call. Who stands at a door, for HTTP or SIP, stays there in
     an outage that all nodes share: without endpoints nobody would even hear 503. A kubelet verifies no
     certificate. */}}
{{- define "branchline.probes" -}}
{{- $ := index . 0 -}}
{{- $group := index . 1 -}}
{{- $scheme := ternary "HTTPS" "HTTP" (not (empty $.Values.operators.tls.existingSecret)) -}}
startupProbe:
  httpGet: {path: /health/live, port: grpc, scheme: {{ $scheme }}}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 90
livenessProbe:
  httpGet: {path: /health/live, port: grpc, scheme: {{ $scheme }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: {{ ternary "/health/open" "/health/ready" (or $group.gateway $group.voice) }}, port: grpc, scheme: {{ $scheme }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{/* (list $ name group) */}}
{{- define "branchline.container" -}}
{{- $ := index . 0 -}}
{{- $group := index . 2 -}}
name: branchline
image: {{ include "branchline.image" $ | quote }}
imagePullPolicy: {{ $.Values.image.pullPolicy }}
env:
  {{- include "branchline.env" (list $ $group) | nindent 2 }}
ports:
  - {name: grpc, containerPort: {{ int $.Values.ports.grpc }}, protocol: TCP}
  {{- if $group.gateway }}
  - {name: http, containerPort: {{ int $.Values.ports.http }}, protocol: TCP}
  {{- end }}
  {{- if $group.voice }}
  - {name: sip-udp, containerPort: {{ int $.Values.ports.sip }}, protocol: UDP}
  - {name: sip-tcp, containerPort: {{ int $.Values.ports.sip }}, protocol: TCP}
  {{- end }}
{{ include "branchline.probes" (list $ $group) }}
{{- if or $group.gateway $group.voice }}
lifecycle:
  preStop:
    # until every proxy knows that this node is going; then it takes no new requests and calls
    exec: {command: [sleep, "5"]}
{{- end }}
resources:
  {{- toYaml $group.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: node-key, mountPath: /data/node.key, subPath: node.key, readOnly: true}
  {{- if $group.gateway }}
  - {name: token-key, mountPath: /data/token.key, subPath: token.key, readOnly: true}
  {{- if $.Values.gateway.tls.existingSecret }}
  - {name: tls, mountPath: /tls, readOnly: true}
  {{- end }}
  {{- end }}
  {{- with $.Values.operators.tls }}
  {{- if .existingSecret }}
  - {name: operators-tls, mountPath: /operators/tls, readOnly: true}
  {{- if .clientCaSecret }}
  - {name: operators-ca, mountPath: /operators/ca, readOnly: true}
  {{- end }}
  {{- end }}
  {{- end }}
  - {name: tmp, mountPath: /tmp}
{{- end -}}

{{/* (list $ name group) */}}
{{- define "branchline.pod" -}}
{{- $ := index . 0 -}}
{{- $name := index . 1 -}}
{{- $group := index . 2 -}}
metadata:
  labels:
    {{- include "branchline.labels" (list $ $name) | nindent 4 }}
    branchline/node: "true"
    branchline/gateway: {{ $group.gateway | quote }}
    branchline/voice: {{ $group.voice | quote }}
    branchline/outward: {{ $group.outward | quote }}
    branchline/watch: {{ $group.watches | quote }}
  annotations:
    kubectl.kubernetes.io/default-container: branchline
    {{- with $group.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "branchline.fullname" $ }}-{{ $name }}
  # of all groups only the one that watches pods speaks with Kubernetes
  automountServiceAccountToken: {{ $group.watches }}
  # a service called branchline would otherwise set variables that look like settings
  enableServiceLinks: false
  # the time to stop, 5 s before it, and what domains, the store and the end of the lease need after it
  terminationGracePeriodSeconds: {{ add $group.stopSeconds 60 }}
  {{- if $group.hostNetwork }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- with $group.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "branchline.selector" (list $ $name) | nindent 10 }}
    {{- end }}
  {{- with $group.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $group.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $group.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - {{- include "branchline.container" . | nindent 6 }}
  volumes:
    # a node takes its key from a file that a group may read, but nobody else, and no group may write
    - name: node-key
      secret:
        secretName: {{ include "branchline.keys" $ }}
        defaultMode: 0440
        items: [{key: node.key, path: node.key}]
    {{- if $group.gateway }}
    - name: token-key
      secret:
        secretName: {{ include "branchline.keys" $ }}
        defaultMode: 0440
        items: [{key: token.key, path: token.key}]
    {{- if $.Values.gateway.tls.existingSecret }}
    - name: tls
      secret: {secretName: {{ $.Values.gateway.tls.existingSecret }}, defaultMode: 0440}
    {{- end }}
    {{- end }}
    {{- with $.Values.operators.tls }}
    {{- if .existingSecret }}
    - name: operators-tls
      secret: {secretName: {{ .existingSecret }}, defaultMode: 0440}
    {{- if .clientCaSecret }}
    - name: operators-ca
      secret:
        secretName: {{ .clientCaSecret }}
        defaultMode: 0440
        items: [{key: ca.crt, path: ca.crt}]
    {{- end }}
    {{- end }}
    {{- end }}
    {{- if not $group.persistence.enabled }}
    - name: data
      emptyDir: {sizeLimit: {{ $group.scratch }}}
    {{- end }}
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
{{- end -}}
