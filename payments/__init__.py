"""Payment requests with link and QR, what was paid on them, and a merchant's day. How money moves is in
`transactions/`: a request is paid by a payment, and is what that payment claims."""
