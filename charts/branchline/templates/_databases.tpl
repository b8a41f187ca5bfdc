{{/* What differs between the bundled databases. (list $ secret) */}}

{{- define "branchline.mysql" -}}
{{- $ := index . 0 -}}
{{- $secret := index . 1 -}}
args:
  {{- toYaml $.Values.mysql.args | nindent 2 }}
env:
  - {name: MYSQL_DATABASE, value: {{ $.Values.mysql.database | quote }}}
  - {name: MYSQL_USER, value: {{ $.Values.mysql.username | quote }}}
  - name: MYSQL_PASSWORD
    valueFrom:
      secretKeyRef: {name: {{ $secret }}, key: password}
  - name: MYSQL_ROOT_PASSWORD
    valueFrom:
      secretKeyRef: {name: {{ $secret }}, key: root-password}
# over TCP: the server that only initializes does not listen there
startupProbe:
  exec: &asked {command: [sh, -c, 'MYSQL_PWD="$MYSQL_PASSWORD" exec mysqladmin ping --silent -h 127.0.0.1 -u "$MYSQL_USER"']}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  exec: *asked
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 6
readinessProbe:
  exec: *asked
  periodSeconds: 5
  timeoutSeconds: 5
volumeMounts:
  # a fresh volume has a folder of its own in it, which MySQL does not want to find
  - {name: data, mountPath: /var/lib/mysql, subPath: mysql}
  - {name: run, mountPath: /var/run/mysqld}
  - {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "branchline.redis" -}}
{{- $ := index . 0 -}}
# the password comes by the standard input: arguments are seen by others
command: [sh, -c]
args:
  - |
    exec redis-server - <<END
    requirepass $REDIS_PASSWORD
    dir /data
    maxmemory-policy allkeys-lru
    save ""
    appendonly {{ ternary "yes" "no" $.Values.redis.persistence.enabled }}
    END
env:
  - name: REDIS_PASSWORD
    valueFrom:
      secretKeyRef: {name: {{ index . 1 }}, key: password}
startupProbe:
  exec: &asked {command: [sh, -c, 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep -q PONG']}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 60
livenessProbe:
  exec: *asked
  periodSeconds: 20
  timeoutSeconds: 5
readinessProbe:
  exec: *asked
  periodSeconds: 5
  timeoutSeconds: 5
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: run, mountPath: /run}
  - {name: tmp, mountPath: /tmp}
{{- end -}}

{{- define "branchline.rabbitmq" -}}
{{- $ := index . 0 -}}
env:
  # one node, which needs no name of the network
  - {name: RABBITMQ_NODENAME, value: rabbit@localhost}
  - {name: RABBITMQ_DEFAULT_USER, value: {{ $.Values.rabbitmq.username | quote }}}
  - name: RABBITMQ_DEFAULT_PASS
    valueFrom:
      secretKeyRef: {name: {{ index . 1 }}, key: password}
startupProbe:
  exec: {command: [rabbitmq-diagnostics, -q, ping]}
  periodSeconds: 5
  timeoutSeconds: 10
  failureThreshold: 60
livenessProbe:
  exec: {command: [rabbitmq-diagnostics, -q, ping]}
  periodSeconds: 30
  timeoutSeconds: 15
  failureThreshold: 4
readinessProbe:
  tcpSocket: {port: rabbitmq}
  periodSeconds: 5
  timeoutSeconds: 5
volumeMounts:
  - {name: data, mountPath: /var/lib/rabbitmq/mnesia}
  # the home folder: Erlang's cookie must belong to one user alone, and is made anew by every pod
  - {name: run, mountPath: /var/lib/rabbitmq}
  - {name: tmp, mountPath: /tmp}
{{- end -}}
