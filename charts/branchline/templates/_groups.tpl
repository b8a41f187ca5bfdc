{{/* What values say about groups, checked and completed. */}}

{{/* The domains that exist, as in actors/src/lib.rs; a test compares them. */}}
{{- define "branchline.domains" -}}
agent-manager billing-manager call-manager customer-manager direct-manager flow-manager idempotency-manager number-manager registrar-manager route-manager sentinel-manager tag-manager timeline-manager tts-manager webhook-manager
{{- end -}}

{{/* Every group as JSON, by name: groupDefaults, the group's own values, and what follows from them:
     domains, and whether it is the gateway, has voice, has users, watches pods, goes outward. */}}
{{- define "branchline.groups" -}}
{{- $ := . -}}
{{- $domains := splitList " " (include "branchline.domains" .) -}}
{{- $known := append $domains "gateway" -}}
{{- $groups := dict -}}
{{- $served := dict -}}
{{- range $name, $own := .Values.groups -}}
{{- if $own -}}
{{- if has $name (list "mysql" "redis" "rabbitmq" "keys" "sip" "deny" "nodes" "voice" "outward" "http" "watch") -}}
{{- fail (printf "groups.%s: this name is taken by another part of the chart" $name) -}}
{{- end -}}
{{- $group := mergeOverwrite (deepCopy $.Values.groupDefaults) (deepCopy $own) -}}
{{- $all := list -}}
{{- range $group.serve -}}
{{- if eq . "*" -}}
{{- $all = concat $all $known -}}
{{- else if has . $known -}}
{{- $all = append $all . -}}
{{- else if has (printf "%s-manager" .) $known -}}
{{- $all = append $all (printf "%s-manager" .) -}}
{{- else -}}
{{- fail (printf "groups.%s.serve: there is no domain %s; those that exist are: %s" $name . (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- range $all -}}
{{- $elsewhere := get $served . | default "" -}}
{{- if or (eq $elsewhere $name) (and $elsewhere (ne . "call-manager")) -}}
{{- fail (printf "%s is served by groups.%s and by groups.%s; it must be served by one (null removes a group)" . $elsewhere $name) -}}
{{- end -}}
{{- $_ := set $served . $name -}}
{{- end -}}
{{- $_ := set $group "domains" (without $all "gateway") -}}
{{- $_ := set $group "gateway" (has "gateway" $all) -}}
{{- $_ := set $group "voice" (has "call-manager" $all) -}}
{{- $_ := set $group "watches" (and (has "sentinel-manager" $all) $.Values.sentinel.watch) -}}
{{- $_ := set $group "users" (has "agent-manager" $all) -}}
{{- $outward := or (has "call-manager" $all) (has "flow-manager" $all) (has "webhook-manager" $all) -}}
{{- $speaks := and (has "tts-manager" $all) (hasKey $.Values.settings "speech-url") -}}
{{- $_ := set $group "outward" (or $outward $speaks) -}}
{{- $_ := set $group "least" (ternary $group.autoscaling.min $group.replicas $group.autoscaling.enabled) -}}
{{- if and $group.autoscaling.enabled (gt (int $group.autoscaling.min) (int $group.autoscaling.max)) -}}
{{- fail (printf "groups.%s.autoscaling: min is more than max" $name) -}}
{{- end -}}
{{- if and $group.persistence.enabled (not $group.stateful) -}}
{{- fail (printf "groups.%s.persistence: a volume needs stateful: true" $name) -}}
{{- end -}}
{{- $_ := set $groups $name $group -}}
{{- end -}}
{{- end -}}
{{- range $known -}}
{{- if not (hasKey $served .) -}}
{{- fail (printf "%s is served by no group" .) -}}
{{- end -}}
{{- end -}}
{{- toJson $groups -}}
{{- end -}}

{{/* Nodes that share nothing are alone, and what is alone must last. */}}
{{- define "branchline.check" -}}
{{- $groups := include "branchline.groups" . | fromJson -}}
{{- $nodes := 0 -}}
{{- range $groups -}}
{{- $nodes = add $nodes (ternary .autoscaling.max .replicas .autoscaling.enabled) -}}
{{- end -}}
{{- range $name, $group := $groups -}}
{{- if and (eq (int $nodes) 1) (not $.Values.mysql.enabled) (not $.Values.mysql.external.existingSecret) (not $group.persistence.enabled) -}}
{{- fail (printf "without mysql everything is in the data folder of groups.%s: set stateful: true and persistence.enabled: true" $name) -}}
{{- end -}}
{{- end -}}
{{- if gt (int $nodes) 1 -}}
{{- range list "mysql" "rabbitmq" -}}
{{- $it := index $.Values . -}}
{{- if not (or $it.enabled $it.external.existingSecret) -}}
{{- fail (printf "%d nodes need a common database and bus: set %s.enabled or %s.external.existingSecret, or serve everything with one node" (int $nodes) . .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The operators' port is what probes and Prometheus are told of, and the world reads it not at all. */}}
{{- define "branchline.closed" -}}
{{- range $name, $group := include "branchline.groups" . | fromJson -}}
{{- range $group.env -}}
{{- if hasPrefix "BRANCHLINE_GRPC" .name -}}
{{- fail (printf "groups.%s.env: %s: probes and Prometheus would not know of it; set ports.grpc and operators.tls" $name .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.operators.tls -}}
{{- if and .clientCaSecret (not .existingSecret) -}}
{{- fail "operators.tls.clientCaSecret needs operators.tls.existingSecret: certificates are shown over TLS" -}}
{{- end -}}
{{- if and .existingSecret $.Values.serviceMonitor.enabled (not $.Values.serviceMonitor.tlsConfig) -}}
{{- fail "serviceMonitor.tlsConfig: say how Prometheus knows the certificate of operators.tls: ca and serverName, or insecureSkipVerify: true" -}}
{{- end -}}
{{- end -}}
{{- range $who := list "operators" "monitoring" -}}
{{- range index $.Values.networkPolicy $who -}}
{{- if hasSuffix "/0" (dig "ipBlock" "cidr" "" .) -}}
{{- fail (printf "networkPolicy.%s: %s would open the operators' port to the world" $who .ipBlock.cidr) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
