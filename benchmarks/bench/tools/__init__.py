"""One module a tool. Each has `work(task)`, which does the task, or `prepared(task)`, which sets it up and gives the work."""
