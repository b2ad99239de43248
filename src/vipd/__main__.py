import sys

from vipd.cli import main

sys.exit(main())
