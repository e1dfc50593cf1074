#!/bin/sh
# Runs the examples against a running service, all or one of them:
#   examples/run.sh [typescript|go|python] [HOST:PORT of the gRPC port]
# What this machine lacks for an example is said, and the others run. Exits with 0 if none has failed, and the one
# that was named, or at least one of all, has run.
set -u
cd "$(dirname "$0")/.." || exit 1
export PATH="$PWD/node_modules/.bin:$PATH"

named="typescript go python"
case "${1:-}" in
  typescript | go | python) named=$1 && shift ;;
esac
address="${1:-127.0.0.1:50051}"
if [ $# -gt 1 ] || [ "${address#*:}" = "$address" ]; then
  sed -n '2,3s/^# *//p' "$0" >&2
  exit 2
fi

# Says what is missing, for which the example cannot run.
lacks() { echo "lacks $1" && return 3; }
has() { command -v "$1" > /dev/null; }

typescript() {
  has tsc || lacks "the packages: npm ci" || return
  npm run --silent build --workspace client && node examples/typescript/main.ts "$address"
}

go_() {
  has go || lacks "go: https://go.dev/doc/install" || return
  has buf || lacks "buf: npm ci" || return
  buf generate --template examples/go/buf.gen.yaml && go -C examples/go run . "$address"
}

python() {
  python=examples/python/.venv/bin/python
  has "$python" || python=python3
  has "$python" || lacks "python3" || return
  "$python" -c "import grpc_tools, grpc_status" 2> /dev/null ||
    lacks "grpcio: python3 -m venv examples/python/.venv && examples/python/.venv/bin/pip install -r examples/python/requirements.txt" || return
  "$python" -m grpc_tools.protoc -I proto -I third_party --python_out=examples/python/gen \
    --grpc_python_out=examples/python/gen proto/commerce/*/v1/*.proto third_party/buf/validate/validate.proto &&
    "$python" examples/python/main.py "$address"
}

ran=0
failed=0
for example in $named; do
  echo "== $example"
  case $example in go) go_ ;; *) "$example" ;; esac
  case $? in
    0) ran=$((ran + 1)) ;;
    3) ;;
    *) failed=$((failed + 1)) && echo "$example has failed" >&2 ;;
  esac
done
[ "$failed" -eq 0 ] && [ "$ran" -gt 0 ]
