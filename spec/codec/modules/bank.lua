-- SPDX-License-Identifier: MIT
--- A module with a class, a class within a class, state of its own and a closure factory.
local M = {}

local Account = {}
Account.__index = Account
M.Account = Account

M.limits = { high = 100 }
M.EMPTY = {}

local opened = 0

function M.open(balance)
  opened = opened + 1
  return setmetatable({ balance = balance }, Account)
end

function M.opened()
  return opened
end

function Account:deposit(n)
  self.balance = self.balance + n
  return self.balance
end

-- Not exported: its objects' metatable has no name.
local Hidden = {}
Hidden.__index = Hidden

function Hidden.get(self)
  return self.value
end

function M.hidden(value)
  return setmetatable({ value = value }, Hidden)
end

function M.adder(n)
  return function(x)
    return x + n
  end
end

return M
