{{/*
What must not be deployed, each with a sentence that says what to do. Shapes are checked by values.schema.json.
*/}}
{{- define "gettone.refusals" -}}
{{- $values := .Values -}}
{{- $client := $values.clientCredentials -}}
{{- $authorization := $values.authorizationService -}}

{{- if not $values.issuer -}}
{{- fail "\n\nSet issuer: the address by which callers know client-credentials, for instance https://api.example.com.\n" -}}
{{- end -}}
{{- if and (ne $values.profile "drop-in") (not (regexMatch "^(https://[^?#]+|http://(localhost|127[.]0[.]0[.]1|\\[::1\\])(:[0-9]+)?(/[^?#]*)?)$" $values.issuer)) -}}
{{- fail (printf "\n\nissuer %s: client-credentials takes an https URL without query and fragment, or http on localhost, in the standard profile.\n" $values.issuer) -}}
{{- end -}}
{{- if not $values.rules -}}
{{- fail "\n\nSet rules: what auth.json holds, as YAML or with --set-file rules=auth.json. Without rules every request is refused.\n" -}}
{{- end -}}

{{- if ne $client.managementService.type "ClusterIP" -}}
{{- fail (printf "\n\nclientCredentials.managementService.type %s would show the clients API, which can give permissions, outside the cluster: leave it ClusterIP and use kubectl port-forward.\n" $client.managementService.type) -}}
{{- end -}}
{{- range concat $values.networkPolicy.operators $values.networkPolicy.scrapers -}}
{{- $peer := . -}}
{{- $selects := or (dig "podSelector" "matchLabels" nil $peer) (dig "podSelector" "matchExpressions" nil $peer) -}}
{{- $block := dig "ipBlock" "cidr" "" $peer -}}
{{- if or (and (not $selects) (not $block)) (hasSuffix "/0" $block) -}}
{{- fail (printf "\n\nnetworkPolicy would open the management ports to everybody by %s: name pods by their labels, or a network.\n" (toJson $peer)) -}}
{{- end -}}
{{- if eq (toJson (dig "podSelector" "matchLabels" dict $peer)) (toJson $values.gateway.podLabels) -}}
{{- fail "\n\nnetworkPolicy would let the gateway reach the management ports, and with it whoever finds a way through its routes: give operators and scrapers other labels than gateway.podLabels.\n" -}}
{{- end -}}
{{- end -}}
{{- if not $values.gateway.podLabels -}}
{{- fail "\n\nSet gateway.podLabels: without them every pod of the cluster would pass for the gateway.\n" -}}
{{- end -}}

{{- if and (not $authorization.strictMode) (has $values.gateway.kind (list "envoy" "envoy-gateway" "istio")) -}}
{{- fail (printf "\n\nauthorizationService.strictMode: false answers 200 to requests that it refuses, and %s takes every 200 for a yes: set strictMode: true.\n" $values.gateway.kind) -}}
{{- end -}}

{{- if eq $values.store.kind "embedded" -}}
{{- if or (gt (int $client.replicas) 1) $client.autoscaling.enabled -}}
{{- fail "\n\nThe embedded store belongs to one replica: two would each have clients, keys and revocations of their own. Set clientCredentials.replicas: 1 and autoscaling.enabled: false, or store.kind: mongodb.\n" -}}
{{- end -}}
{{- if $values.dropIn.crudClientBaseUrl -}}
{{- fail "\n\ndropIn.crudClientBaseUrl keeps clients in a crud-service and their secrets in MongoDB: set store.kind: mongodb.\n" -}}
{{- end -}}
{{- end -}}
{{- if and (ne $values.profile "drop-in") (or $values.dropIn.crudClientBaseUrl $values.dropIn.redisHosts) -}}
{{- fail "\n\ndropIn is for the drop-in profile: set profile: drop-in, or leave crudClientBaseUrl and redisHosts empty.\n" -}}
{{- end -}}

{{- if has $values.secrets.signingKeyId (list "demo" "compose-1" "example" "test") -}}
{{- fail (printf "\n\nsecrets.signingKeyId %s belongs to the keys of the try-out on one machine, which are no secret: make a key for this deployment and give it an id of its own.\n" $values.secrets.signingKeyId) -}}
{{- end -}}
{{- $create := $values.secrets.create -}}
{{- $made := or $create.signingKey $create.clientIdHashSalt $create.bootstrapToken $create.mongodbUrl -}}
{{- if and $made $values.secrets.existing -}}
{{- fail "\n\nsecrets.existing and secrets.create are both set: which one counts? Empty one of them.\n" -}}
{{- end -}}
{{- if not $values.secrets.existing -}}
{{- if not (and $create.signingKey $create.clientIdHashSalt $create.bootstrapToken) -}}
{{- fail "\n\nsecrets.create needs signingKey, clientIdHashSalt and bootstrapToken, or name the Secret that you made in secrets.existing.\n" -}}
{{- end -}}
{{- if and (eq $values.store.kind "mongodb") (not $create.mongodbUrl) -}}
{{- fail "\n\nsecrets.create needs mongodbUrl for store.kind: mongodb.\n" -}}
{{- end -}}
{{- if not (regexMatch "^-----BEGIN ([A-Z]+ )*PRIVATE KEY-----" $create.signingKey) -}}
{{- fail "\n\nsecrets.create.signingKey is no private key in PEM: openssl genrsa -out signing-key.pem 2048, then --set-file secrets.create.signingKey=signing-key.pem\n" -}}
{{- end -}}
{{- range $name, $value := dict "clientIdHashSalt" $create.clientIdHashSalt "bootstrapToken" $create.bootstrapToken -}}
{{- if lt (len $value) 32 -}}
{{- fail (printf "\n\nsecrets.create.%s can be guessed, it has fewer than 32 characters: openssl rand -hex 32\n" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- range $service, $env := dict "clientCredentials" $client.env "authorizationService" $authorization.env -}}
{{- range $name, $value := $env -}}
{{- if has $name (list "MANAGEMENT_PORT" "MANAGEMENT_HOST" "HTTP_PORT" "HTTP_HOST" "PROFILE" "MIA_JWT_ISSUER" "CREDENTIALS_MONGODB_URL" "CREDENTIALS_MONGODB_URL_FILE" "DELAY_SHUTDOWN_SECONDS" "AUTHORIZATION_STRICT_MODE_ENABLED" "ORIGINAL_REQUEST_FROM" "USERINFO_MODE" "DATA_DIR" "PRIVATE_RSA_KEY_FILE_PATH") -}}
{{- fail (printf "\n\n%s.env.%s is set by a value of this chart: change that one.\n" $service $name) -}}
{{- end -}}
{{- if regexMatch "(SECRET|TOKEN|PASSWORD|SALT|ENCRYPTION_KEY|MONGODB_URL)$" $name -}}
{{- fail (printf "\n\n%s.env.%s is a secret, which the values and the pod would show: put it into the Secret and set %s_FILE.\n" $service $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- range $service, $one := dict "clientCredentials" $client "authorizationService" $authorization -}}
{{- if and $one.autoscaling.enabled (gt (int $one.autoscaling.minReplicas) (int $one.autoscaling.maxReplicas)) -}}
{{- fail (printf "\n\n%s.autoscaling.minReplicas is above maxReplicas.\n" $service) -}}
{{- end -}}
{{- end -}}
{{- end }}
