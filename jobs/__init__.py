"""Scripts for `ray job submit`: the whole pipeline, or one stage."""
