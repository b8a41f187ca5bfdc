{{/* Names and labels. A node's name is its pod's name, and at most 64 characters: hence the short ones here. */}}

{{- define "branchline.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 26 | trimSuffix "-" -}}
{{- end -}}

{{- define "branchline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 26 | trimSuffix "-" -}}
{{- else if contains (include "branchline.name" .) .Release.Name -}}
{{- .Release.Name | trunc 26 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "branchline.name" .) | trunc 26 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Everything of this release. */}}
{{- define "branchline.release" -}}
app.kubernetes.io/name: {{ include "branchline.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* (list $ component) */}}
{{- define "branchline.selector" -}}
{{ include "branchline.release" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* (list $ component) */}}
{{- define "branchline.labels" -}}
{{- $ := index . 0 -}}
{{ include "branchline.selector" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
app.kubernetes.io/part-of: branchline
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "branchline.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "branchline.keys" -}}
{{- .Values.keys.existingSecret | default (printf "%s-keys" (include "branchline.fullname" .)) -}}
{{- end -}}

{{/* (list $ "mysql"): the secret with the passwords of a bundled database */}}
{{- define "branchline.passwords" -}}
{{- $ := index . 0 -}}
{{- $name := index . 1 -}}
{{- (index $.Values $name).auth.existingSecret | default (printf "%s-%s" (include "branchline.fullname" $) $name) -}}
{{- end -}}

{{/* Which pods are watched: the nodes of this release, unless values say otherwise. */}}
{{- define "branchline.watched" -}}
{{- $own := printf "app.kubernetes.io/name=%s,app.kubernetes.io/instance=%s,branchline/node=true" (include "branchline.name" .) .Release.Name -}}
{{- .Values.sentinel.selector | default $own -}}
{{- end -}}
