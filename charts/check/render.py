#!/usr/bin/env python3
"""Installs the chart with Helm into a pretended cluster, and prints what the cluster was given.

usage: render.py CASE          CASE: {"values": [FILE, ...], "set": {...}, "there": [OBJECT, ...]}
prints                         {"objects": [OBJECT, ...], "notes": TEXT}, or {"refused": TEXT}
       render.py --yaml FILE   prints the file as JSON

Helm is the library in the package helm-sdkpy; the schemas are those of kubernetes-validate. Both are expected
in the folder that BRANCHLINE_CHART_TOOLS names, or in target/chart-tools (charts/check/install). Helm asks a cluster what it has and gives
it one object after the other; nothing here goes beyond the loopback address.
"""
import ctypes
import json
import os
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHART = HERE.parent / "branchline"
TOOLS = Path(os.environ.get("BRANCHLINE_CHART_TOOLS") or HERE.parent.parent / "target" / "chart-tools")
sys.path.insert(0, str(TOOLS))
NAMESPACE = "telephony"
# the oldest that Chart.yaml allows, and a new one
SCHEMAS = ["1.27", "1.33"]
# of helm lint
WARNING = 2
KINDS = {
    "v1": ["Secret", "Service", "ServiceAccount", "ConfigMap"],
    "apps/v1": ["Deployment", "StatefulSet"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "policy/v1": ["PodDisruptionBudget"],
    "networking.k8s.io/v1": ["NetworkPolicy", "Ingress"],
    "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
    "monitoring.coreos.com/v1": ["ServiceMonitor", "PrometheusRule"],
}


def plural(kind):
    name = kind.lower()
    return name[:-1] + "ies" if name.endswith("y") else name + ("es" if name.endswith("s") else "s")


def where(version, kind, name):
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    return f"{root}/namespaces/{NAMESPACE}/{plural(kind)}/{name}"


class Cluster(BaseHTTPRequestHandler):
    """As much of an API server as an installation asks for."""

    protocol_version = "HTTP/1.1"
    there, given = {}, {}

    def log_message(self, *_):
        pass

    def say(self, code, body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        path = self.path.split("?")[0].rstrip("/")
        answer = described(path) or self.there.get(path) or self.given.get(path)
        if answer is None and path.endswith("/secrets"):
            answer = {"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": []}
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        self.say(200, answer) if answer else self.say(404, {**missing, "message": f"{path} not found"})

    def take(self):
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "protobuf" in self.headers.get("Content-Type", ""):
            # Helm's own record of the release
            return self.say(201, data, self.headers["Content-Type"])
        body = json.loads(data)
        path = self.path.split("?")[0]
        path = path if self.command == "PUT" else f"{path}/{body['metadata']['name']}"
        self.given[path] = body
        self.say(201, body)

    do_POST = do_PUT = take

    def do_PATCH(self):
        """What is there already must stay as it is."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0]
        refusal = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}
        self.say(403, {**refusal, "message": f"{path} would be changed"})


def described(path):
    """What the cluster says about itself."""
    groups = [version for version in KINDS if version != "v1"]
    if path == "/version":
        return {"major": "1", "minor": "33", "gitVersion": "v1.33.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        entry = lambda version: {"groupVersion": version, "version": version.split("/")[1]}
        named = lambda version: {"name": version.split("/")[0], "versions": [entry(version)], "preferredVersion": entry(version)}
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [named(version) for version in groups]}
    version = "v1" if path == "/api/v1" else path.removeprefix("/apis/")
    if version not in KINDS:
        return None
    verbs = ["create", "get", "list", "update", "patch", "delete"]
    resource = lambda kind: {"name": plural(kind), "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [resource(kind) for kind in KINDS[version]]}


def kubeconfig(port, folder):
    path = Path(folder) / "kubeconfig"
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me", "namespace": NAMESPACE}}],
        "users": [{"name": "me", "user": {}}],
    }))
    return str(path)


def helm(port, values, folder):
    """The release, or why Helm refuses."""
    library = ctypes.CDLL(str(next(TOOLS.glob("helm_sdkpy/_lib/*/libhelm_sdkpy.so"))))
    library.helm_sdkpy_last_error.restype = ctypes.c_char_p
    handle, answer = ctypes.c_ulonglong(), ctypes.c_char_p()
    text = lambda value: ctypes.c_char_p(value.encode())
    failed = library.helm_sdkpy_config_create(
        text(NAMESPACE), text(kubeconfig(port, folder)), text(""), text("{}"), ctypes.byref(handle))
    failed = failed or library.helm_sdkpy_lint(handle, text(str(CHART)), ctypes.byref(answer))
    lint = json.loads(answer.value or b"{}").get("Messages") or []
    if any(message["Severity"] >= WARNING for message in lint):
        sys.exit(f"helm lint: {lint}")
    options = {"wait": False, "timeout_seconds": 60, "disable_openapi_validation": True, "server_side_apply": "false"}
    failed = failed or library.helm_sdkpy_install(
        handle, text("branchline"), text(str(CHART)), text(json.dumps(values)), text(""), text(json.dumps(options)),
        ctypes.byref(answer))
    return (None, library.helm_sdkpy_last_error().decode()) if failed else (json.loads(answer.value), None)


def merged(below, above):
    """As Helm merges the files of -f: maps in each other, and all else replaced."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}


def faults(objects):
    import kubernetes_validate
    import kubernetes_validate.utils as errors
    for item in objects:
        if item["apiVersion"].startswith("monitoring"):
            continue
        for version in SCHEMAS:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except errors.ValidationError as error:
                yield f"{item['kind']} {item['metadata']['name']}, Kubernetes {version}: {error.message}"


def main():
    import yaml
    if sys.argv[1] == "--yaml":
        print(json.dumps(yaml.safe_load(Path(sys.argv[2]).read_text())))
        return
    case = json.loads(sys.argv[1])
    values = {}
    for name in case.get("values", []):
        values = merged(values, yaml.safe_load((CHART / name).read_text()) or {})
    values = merged(values, case.get("set", {}))
    for item in case.get("there", []):
        Cluster.there[where(item["apiVersion"], item["kind"], item["metadata"]["name"])] = item
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        release, refused = helm(server.server_port, values, folder)
    if refused:
        print(json.dumps({"refused": refused}))
        return
    objects = [item for item in {**Cluster.there, **Cluster.given}.values() if item.get("type") != "helm.sh/release.v1"]
    wrong = list(faults(objects))
    if wrong:
        sys.exit("\n".join(wrong))
    print(json.dumps({"objects": objects, "notes": release["info"].get("notes", "")}))


if __name__ == "__main__":
    main()
