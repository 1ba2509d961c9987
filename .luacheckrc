std = "luajit"
max_line_length = 110
self = false -- a method need not use its object
exclude_files = { "build" }
files["spec"] = { std = "+busted" }
