-- wrk -s post.lua URL -- BYTES: POST a JSON body of that many bytes.
function init(args)
  local before, after = '{"model":"m","input":"', '"}'
  local bytes = tonumber(args[1]) or 1000
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = before .. string.rep("x", bytes - #before - #after) .. after
end
