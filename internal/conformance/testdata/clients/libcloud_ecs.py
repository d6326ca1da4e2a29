"""Apache Libcloud's driver of ECS: signature 1.0, XML, pages by number.

It carries out the commands on standard input, one JSON object a line, and
prints an answer to each, one JSON object a line. It refuses every connection
except to 127.0.0.1.
"""
import ast
import json
import sys
import time
import urllib.parse

from libcloud.common.exceptions import BaseHTTPError
from libcloud.compute.base import Node
from libcloud.compute.drivers.ecs import ECSDriver
from libcloud.compute.types import NodeState


def guard(event, args):
    if event == "socket.connect" and args[1][0] != "127.0.0.1":
        raise OSError("refused to connect to %s" % args[1][0])
    if event == "socket.getaddrinfo" and args[0] != "127.0.0.1":
        raise OSError("refused to look up %s" % args[0])


sys.addaudithook(guard)

# The driver polls every 3 s until a restarted node is running.
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.02))


def reboot(driver, command):
    """The driver knows neither dry runs nor tokens. Its connection passes on
    and signs what it is given."""
    token = command["key"].get("token")
    if not token and not command.get("dryRun"):
        node = Node(command["instance"], command["instance"], NodeState.RUNNING, [], [], driver)
        return {"proven": driver.reboot_node(node, ex_force_stop=command.get("force", False))}
    params = {"Action": "RebootInstance", "InstanceId": command["instance"]}
    for name, param in (("force", "ForceStop"), ("dryRun", "DryRun")):
        if name in command:
            params[param] = str(command[name]).lower()
    if token:
        params["SecurityToken"] = token
    return {"requestID": driver.connection.request(driver.path, params=params).request_id}


def list_nodes(driver, command):
    filters = {}
    if "name" in command:
        filters["InstanceName"] = command["name"]
    for n, (key, value) in enumerate(command.get("tags", {}).items(), 1):
        filters["Tag.%d.Key" % n], filters["Tag.%d.Value" % n] = key, value
    if command["key"].get("token"):
        filters["SecurityToken"] = command["key"]["token"]
    nodes = driver.list_nodes(ex_node_ids=command.get("instances"), ex_filters=filters)
    return {"instances": [
        {
            "id": node.id,
            "name": node.name,
            "status": {NodeState.RUNNING: "Running", NodeState.STOPPED: "Stopped"}.get(node.state, ""),
            "hostName": node.extra["hostname"],
            "instanceType": node.extra["instance_type"],
            "privateIP": node.extra["vpc_attributes"]["private_ip_address"],
        }
        for node in nodes
    ]}


def answer(command):
    endpoint = urllib.parse.urlsplit(command["endpoint"])
    driver = ECSDriver(command["key"]["id"], command["key"]["secret"], region=command["region"],
                       secure=endpoint.scheme == "https", host=endpoint.hostname, port=endpoint.port)
    try:
        return {"reboot": reboot, "list": list_nodes}[command["call"]](driver, command)
    except BaseHTTPError as error:
        details = ast.literal_eval(error.message)  # the text of a dict
        return {"error": {
            "text": error.message,
            "code": details["code"],
            "status": error.code,
            "message": details["message"],
            "requestID": details["request_id"],
        }}
    except Exception as error:
        return {"error": {"text": "%s: %s" % (type(error).__name__, error)}}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
