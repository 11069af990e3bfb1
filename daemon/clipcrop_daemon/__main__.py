"""``python -m clipcrop_daemon COMMAND``."""

import sys

from .cli import main

sys.exit(main())
