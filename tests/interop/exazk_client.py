"""Fetch a page from each address, again and again: `python exazk_client.py ADDRESS...`.

Says what was not got. A connection that is under way when its VIP moves breaks, as no two pods share one: so
each page is tried twice; and not at once: FRR tells of a route 10 ms before its kernel forwards by it, and a
router that has no way says so to the client in no time.
"""

import sys
import time
import urllib.request


def got(vip: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{vip}:8080/", timeout=1) as page:
            return page.status == 200
    except OSError:
        return False


print("ready", flush=True)
while True:
    for vip in sys.argv[1:]:
        if got(vip):
            continue
        time.sleep(0.1)
        if not got(vip):
            print(f"{time.time():.3f} {vip}: not got twice", flush=True)
    time.sleep(0.02)
