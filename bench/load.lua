-- What wrk sends: one line of wallets per signed-in customer ("id token") in the file named by the first argument after --.
local cases, wallets, count, prefix, errors = {}, {}, 0, "", {}

function setup(thread) thread:set("salt", tostring(thread.addr) .. os.time()) end

function init(args)
  mode = args[2]
  for line in io.lines(args[1]) do
    local id, token, cursor = line:match("^(%S+) (%S+) ?(%S*)$")
    wallets[#wallets + 1] = { id = id, token = token, cursor = cursor }
  end
  math.randomseed(os.time() + #salt)
  for _ = 1, 10 do math.random() end
  prefix = string.format("wrk-%d-%d-", os.time(), math.random(1, 1000000000))
end

local function other(than)
  local found
  repeat found = wallets[math.random(2, #wallets)] until found ~= than
  return found
end

local pick = {
  random = function() local a = other() return a, other(a) end,
  hot = function() return other(wallets[2]), wallets[2] end,
  pair = function() if math.random(2) == 1 then return wallets[2], wallets[3] end return wallets[3], wallets[2] end,
}

local function get(wallet, path)
  return wrk.format("GET", "/v1/wallets/" .. wallet.id .. path, { ["Authorization"] = "Bearer " .. wallet.token })
end

function request()
  if mode == "balance" then return get(wallets[1], "/balance") end
  if mode == "history" then return get(wallets[1], "/transactions") end
  if mode == "deep" then return get(wallets[1], "/transactions?cursor=" .. wallets[1].cursor) end
  count = count + 1
  local payer, payee = pick[mode]()
  while payer == payee do payer, payee = pick[mode]() end
  return wrk.format("POST", "/v1/transfers", {
    ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. payer.token,
    ["Idempotency-Key"] = prefix .. count,
  }, '{"from_wallet_id":"' .. payer.id .. '","to":{"wallet_id":"' .. payee.id .. '"},"amount":"1.00","currency":"KES"}')
end

function response(status)
  if status ~= 200 and status ~= 201 then errors[status] = (errors[status] or 0) + 1; bad = (bad or 0) + 1 end
end

function done(summary, latency)
  io.write(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "p50": %d, "p95": %d, "p99": %d, "not_2xx": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), latency:percentile(99),
    summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
