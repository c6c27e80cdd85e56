package kind_test

// serviceAccount is the key of a service account that nobody has.
const serviceAccount = `{"type": "service_account", "client_email": "shunt@example-project.iam.gserviceaccount.com", "private_key_id": "0", "private_key": "x", "token_uri": "http://127.0.0.1:1/token"}`
