"""Expands recurrence rules with python-dateutil: a JSON object a line in, one out.

In:  {"start": "2027-01-04T09:00:00", "rule": "FREQ=DAILY", "count": 30}
Out: ["2027-01-04T09:00:00", ...], or {"error": "..."}; a rule that takes seconds is an error.
"""

import datetime
import itertools
import json
import signal
import sys

from dateutil.rrule import rrulestr

SECONDS_MAX = 3


def too_slow(*_):
    raise TimeoutError("too slow")


def expand(asked):
    start = datetime.datetime.fromisoformat(asked["start"])
    rule = rrulestr(asked["rule"], dtstart=start)
    return [time.isoformat() for time in itertools.islice(rule, asked["count"])]


signal.signal(signal.SIGALRM, too_slow)
for line in sys.stdin:
    signal.alarm(SECONDS_MAX)
    try:
        answer = expand(json.loads(line))
    except (ValueError, TimeoutError, IndexError) as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    finally:
        signal.alarm(0)
    print(json.dumps(answer), flush=True)
