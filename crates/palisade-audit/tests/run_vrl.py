"""Runs a program in Vector's remap language over each line of a file, as its `remap` transform does over messages.

Prints the event that comes out as JSON, or `null` where the program fails and the transform reroutes the message.
"""

import json
import sys

import vrl_python

program = open(sys.argv[1], encoding="utf-8").read()
runtime = vrl_python.VRLRuntime()
runtime.compile(program)
for line in open(sys.argv[2], encoding="utf-8", newline="\n"):
    try:
        event = runtime.execute(program, {"message": line.rstrip("\n"), "host": "a"}).processed_event
    except RuntimeError:
        event = None
    print(json.dumps(event))
