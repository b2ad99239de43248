"""Write a znode, and say when: `python znode.py HOST USER:PASSWORD PATH TEXT`.

A path that ends in `~` is that of a member, which is there for as long as we live: the id of our session is
put behind it.
"""

import asyncio
import sys
import time

from vipd.coord.directory import NodeExists
from vipd.coord.ensemble import Ensemble, Server
from vipd.coord.layout import member_name
from vipd.coord.zookeeper import connect

host, credentials, path, text = sys.argv[1:]
ensemble = Ensemble(servers=(Server(host=host, port=2181),), session_timeout=1.0, credentials=credentials)


async def write() -> None:
    async with connect(ensemble, resolve=lambda _: None, jitter=lambda: 0.0) as directory:
        link = await directory.link.until(lambda link: link.generation > 0)
        at = time.time()
        if path.endswith("~"):
            folder, _, name = path[:-1].rpartition("/")
            await directory.create(
                f"{folder}/{member_name(name, link.session_id)}", text.encode(), ephemeral=True
            )
            await asyncio.Event().wait()
        try:
            await directory.create(path, text.encode())
        except NodeExists:
            await directory.set(path, text.encode())
    print(at)


asyncio.run(write())
