# A MariaDB, a Redis and a RabbitMQ of one's own on loopback, for scripts that source this file.
#   servers_start FOLDER   starts them with all they write in FOLDER, and waits until they answer; sets
#                          store_url, cache_url and bus_url
#   servers_stop           ends those that were started; what they wrote stays
# The ids of their processes are in server_pids. Debian: apt-get install mariadb-server redis-server rabbitmq-server
# shellcheck shell=bash disable=SC2034

server_pids=()

servers_start() {
  local folder=$1 database cache broker names distribution
  servers_are_installed
  database=$(free_port) cache=$(free_port) broker=$(free_port) names=$(free_port) distribution=$(free_port)
  start_database "$folder" "$database"
  start_cache "$folder" "$cache"
  start_broker "$folder" "$broker" "$names" "$distribution"
  until_works mariadb --no-defaults --user=root --socket="$folder/socket" \
    -e 'CREATE DATABASE IF NOT EXISTS branchline'
  until_works answers "$cache"
  until_works answers "$broker"
  store_url="mysql://root@127.0.0.1:$database/branchline"
  cache_url="redis://127.0.0.1:$cache/0"
  bus_url="amqp://guest:guest@127.0.0.1:$broker/%2f"
}

servers_stop() {
  local pid
  # the broker is a group of processes; the others are alone
  for pid in "${server_pids[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${server_pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  server_pids=()
}

servers_are_installed() {
  local program
  PATH="/usr/lib/rabbitmq/bin:$PATH:/usr/sbin"
  for program in mariadbd mariadb-install-db mariadb redis-server rabbitmq-server epmd; do
    command -v "$program" >/dev/null || { echo "$program is not installed" >&2; return 1; }
  done
}

# below the range from which the system takes its own
free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 12000))
    if ! answers "$port" 2>/dev/null; then echo "$port"; return; fi
  done
  echo "no free port" >&2
  return 1
}

# waits at most a minute for a command to succeed
until_works() {
  for _ in {1..300}; do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  echo "no answer of: $*" >&2
  return 1
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

start_database() {
  local folder=$1 port=$2 user=()
  if [ "$(id -u)" = 0 ]; then user=(--user=root); fi
  mkdir "$folder/tmp"
  mariadb-install-db --no-defaults --auth-root-authentication-method=normal --skip-test-db \
    --datadir="$folder/data" --tmpdir="$folder/tmp" "${user[@]}" >"$folder/install.log"
  mariadbd --no-defaults --bind-address=127.0.0.1 --port="$port" --skip-log-bin --datadir="$folder/data" \
    --tmpdir="$folder/tmp" --socket="$folder/socket" --pid-file="$folder/pid" --log-error="$folder/log" \
    "${user[@]}" &
  server_pids+=($!)
}

start_cache() {
  redis-server --bind 127.0.0.1 --port "$2" --save '' --dir "$1" --daemonize no >"$1/redis.log" &
  server_pids+=($!)
}

start_broker() {
  local folder=$1 port=$2 names=$3 distribution=$4
  ERL_EPMD_ADDRESS=127.0.0.1 epmd -address 127.0.0.1 -port "$names" &
  server_pids+=($!)
  mkdir "$folder/broker"
  echo '[].' >"$folder/broker/plugins"
  HOME="$folder/broker" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$names \
    RABBITMQ_NODENAME="branchline-$port@localhost" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
    RABBITMQ_NODE_PORT=$port RABBITMQ_DIST_PORT=$distribution RABBITMQ_MNESIA_BASE="$folder/broker/data" \
    RABBITMQ_LOG_BASE="$folder/broker/log" RABBITMQ_ENABLED_PLUGINS_FILE="$folder/broker/plugins" \
    RABBITMQ_PID_FILE="$folder/broker/pid" RABBITMQ_CONF_ENV_FILE=/dev/null \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
    setsid rabbitmq-server >"$folder/broker.log" 2>&1 &
  server_pids+=($!)
}
