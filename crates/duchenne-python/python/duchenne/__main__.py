"""``python -m duchenne``: the program."""

from ._program import main

raise SystemExit(main())
