"""A fleet of processes whose Redis is restarted, cut off, failed over and emptied in the middle of calls."""
