"""What the Python scripts share: a request a line on stdin, as `ask` in
client_test.go, and a result a line on stdout."""

import json
import sys
from importlib.metadata import version

EXTRAS = ("rag", "event", "citations", "search_results", "annotations", "context", "reasoning_content")


class Result:
    def __init__(self):
        self.answer, self.seen, self.usage, self.error = "", [], None, ""

    def see(self, place, value):
        self.seen.append({"place": place, "value": value})

    def look(self, place, holder):
        """Takes the attributes of ours that an object of the client has."""
        for name in EXTRAS:
            value = getattr(holder, name, None)
            if value:
                self.see(f"{place}.{name}", value)


def plain(value):
    return value.model_dump(mode="json")


def serve(package, modes):
    print(json.dumps({"version": version(package)}), flush=True)
    for line in sys.stdin:
        ask, result = json.loads(line), Result()
        try:
            modes[ask["mode"]](ask, result)
        except Exception as error:
            result.error = f"{type(error).__name__}: {error}"
        print(json.dumps(vars(result), default=plain), flush=True)
