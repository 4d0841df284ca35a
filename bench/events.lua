-- wrk's requests: `wrk ... -s bench/events.lua URL -- RUN SIZE`. SIZE 1 posts single track calls, more posts batches.
-- Bodies are prepared once; only ids are patched in, so that the generator costs little.
local PROPERTIES = '"properties":{"productId":"sku-1234","name":"A fine product","price":19.9,"currency":"EUR","quantity":2,'
  .. '"category":"shoes","path":"/products/1234","url":"https://shop.example/products/1234?ref=home"},'
local CONTEXT = '"context":{"page":{"path":"/products/1234","referrer":"https://search.example/","title":"A fine product"},'
  .. '"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36",'
  .. '"locale":"en-GB","ip":"203.0.113.9"}}'
local PEOPLE = 20000

local count = 0
local size, prefix, time

local function event()
  count = count + 1
  local person = math.random(PEOPLE)
  return '{"type":"track","event":"Product Viewed","userId":"user-' .. person .. '","anonymousId":"device-' .. person
    .. '","timestamp":"' .. time .. '","messageId":"' .. prefix .. count .. '",' .. PROPERTIES .. CONTEXT
end

function init(arguments)
  prefix = arguments[1] .. "-"
  size = tonumber(arguments[2])
  time = os.date("!%Y-%m-%dT%H:%M:%S.000Z")
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  math.randomseed(os.time())
end

function request()
  if size == 1 then return wrk.format(nil, "/v1/track", nil, event()) end
  local events = {}
  for index = 1, size do events[index] = event() end
  return wrk.format(nil, "/v1/batch", nil, '{"batch":[' .. table.concat(events, ",") .. ']}')
end

function done(summary)
  local errors = summary.errors
  io.write(string.format('\n{"requests":%d,"microseconds":%d,"failed":%d}\n', summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
