"""Payment requests with link and QR, and what was paid on them. How money moves is in
`transactions/`: a request is paid by a payment, and is what that payment claims."""
