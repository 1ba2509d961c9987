-- SPDX-License-Identifier: MIT
--- Certificates for the specs, by the openssl command: an authority of our own, and servers that it vouches
--- for: one good, one of another name, one that expired.
local M = {}

local function run(dir, ...)
  local command = ("cd '%s' && openssl %s 2>>openssl.log"):format(dir, table.concat({ ... }, " "))
  local status = os.execute(command)
  assert(status == 0 or status == true, command)
end

local KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout"

local function sign(dir, name, alternative, days)
  run(dir, "req", KEY, name .. ".key", "-out", name .. ".csr", "-subj /CN=" .. name,
    "-addext subjectAltName=" .. alternative)
  run(dir, "x509 -req -in", name .. ".csr", "-CA ca.crt -CAkey ca.key -CAcreateserial",
    "-days", days, "-copy_extensions copyall -out", name .. ".crt")
end

--- Makes ca.crt, and a .crt and .key of each of good, other and expired.
---@param dir string
function M.make(dir)
  run(dir, "req -x509", KEY, "ca.key -out ca.crt -days 2 -subj '/CN=aimp specs'")
  sign(dir, "good", "IP:127.0.0.1,DNS:localhost", "2")
  sign(dir, "other", "DNS:other.invalid", "2")
  sign(dir, "expired", "IP:127.0.0.1", "-1")
end

return M
