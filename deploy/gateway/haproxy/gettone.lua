-- Asks authorization-service whether a request may pass. Whatever goes wrong here, the request does not: haproxy.cfg lets it
-- on only if txn.gettone_allowed was set to true, which happens in one place.

-- The authorization service gives up after 5 s and says so itself.
local DEADLINE_MS = 6000

-- Only these reach the authorization service. If you add a name to HEADERS_TO_PROXY, add it here too.
local ASKED_WITH = {
	"authorization", "cookie", "user-agent", "x-request-id", "traceparent", "tracestate",
	"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "client-type", "isbackoffice",
}

-- Of a refusal, what callers are told.
local TOLD = { "www-authenticate", "x-decision-id", "content-type", "cache-control", "retry-after" }

-- HAProxy counts values from 0.
local function values(headers, name)
	local found = {}
	for _, value in pairs(headers[name] or {}) do
		found[#found + 1] = value
	end
	return found
end

local function only(headers, name)
	local found = values(headers, name)
	return #found == 1 and found[1] or ""
end

core.register_action("authorize", { "http-req" }, function(txn, url)
	local caller = txn.http:req_get_headers()
	local asked_with = {
		-- As HAProxy sends them on, whatever the caller says about them in headers.
		["original-request-uri"] = { txn.sf:url() },
		["original-request-method"] = { txn.sf:method() },
		-- With TRUSTED_PEER_SECRET:  ["x-gettone-peer"] = { "the secret" },
	}
	for _, name in ipairs(ASKED_WITH) do
		local found = values(caller, name)
		if #found > 0 then
			asked_with[name] = found
		end
	end

	local answer = core.httpclient():get({ url = url, headers = asked_with, timeout = DEADLINE_MS })
	local headers = answer and answer.headers or {}
	local status = answer and answer.status or 0

	-- A yes is a 200 that says so (G-MODE-01).
	if status == 200 and only(headers, "mia-allowed") == "1" then
		txn:set_var("txn.gettone_user_id", only(headers, "mia-userid"))
		txn:set_var("txn.gettone_groups", only(headers, "mia-groups"))
		txn:set_var("txn.gettone_properties", only(headers, "mia-userproperties"))
		txn:set_var("txn.gettone_allowed", true)
		return
	end

	-- No decision: haproxy.cfg answers 503. (HAProxy makes answers of its own for a server that is dead or silent.)
	if only(headers, "mia-allowed") ~= "0" or (status ~= 200 and status ~= 401 and status ~= 403 and status ~= 503) then
		return
	end
	local reply = txn:reply({ status = status == 200 and 403 or status, body = answer.body })
	for _, name in ipairs(TOLD) do
		local value = only(headers, name)
		if value ~= "" then
			reply:add_header(name, value)
		end
	end
	txn:done(reply)
end, 1)
