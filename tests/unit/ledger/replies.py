"""Replies as receivers word them, each with what it means: class and reason."""

REPLIES = """
hard no_such_mailbox | 550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos
hard no_such_mailbox | 550 5.1.1 <someone@example.com>: Recipient address rejected: User unknown in local recipient table
hard no_such_mailbox | 550 5.1.1 <someone@example.com>: Recipient address rejected: User unknown in relay recipient table
hard no_such_mailbox | 550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)
hard no_such_mailbox | 550 5.5.0 Requested action not taken: mailbox unavailable. [AM6EUR05FT045.eop-eur05.prod.protection.outlook.com]
hard no_such_mailbox | 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient someone@example.com not found by SMTP address lookup
hard no_such_mailbox | 550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [DB5EUR01FT031.eop-EUR01.prod.protection.outlook.com]
hard no_such_mailbox | 554 delivery error: dd This user doesn't have a yahoo.com account (someone@yahoo.com) [0] - mta1234.mail.bf1.yahoo.com
hard no_such_mailbox | 552 1 Requested mail action aborted, mailbox not found
hard no_such_mailbox | 550 5.1.1 <someone@icloud.com>: user does not exist
hard no_such_mailbox | 550 #5.1.0 Address rejected.
hard no_such_mailbox | 550 No such user - psmtp
hard no_such_mailbox | 550 Requested action not taken: mailbox unavailable For explanation visit http://postmaster.gmx.com/en/error-messages?ip=192.0.2.1&c=bip
hard no_such_mailbox | 550 5.1.1 unknown or illegal alias: someone@me.com
hard no_such_mailbox | 550 5.1.1 sorry, no mailbox here by that name (#5.1.1 - chkusr)
hard no_such_mailbox | 511 sorry, no mailbox here by that name (#5.1.1 - chkuser)
hard no_such_mailbox | 550 No Such User Here
hard no_such_mailbox | 550 User not local or does not exist
hard no_such_mailbox | 550 Unrouteable address
hard no_such_mailbox | 550 unknown user
hard no_such_mailbox | 550 Invalid recipient someone@example.com
hard no_such_mailbox | 550 5.1.1 Mailbox does not exist
hard no_such_mailbox | 550 5.1.1 recipient rejected
hard no_such_mailbox | 550 Mailbox not found
hard no_such_mailbox | 550 This address no longer accepts mail.
hard no_such_mailbox | 550 5.0.0 User unknown
hard no_such_mailbox | 550 User does not exist - someone
hard no_such_mailbox | 550 5.1.1 Addressee unknown
hard no_such_mailbox | 553 5.3.0 <someone@example.com>... No such user here
hard no_such_mailbox | 550 5.1.1 User doesn't exist: someone@example.com
hard no_such_mailbox | 550 Address unknown
hard no_such_mailbox | 550 <someone@example.com> No such user here
hard no_such_mailbox | 550 Not our Customer
hard no_such_mailbox | 554 5.7.1 <someone@example.com>: Recipient address rejected: user someone@example.com does not exist
hard no_such_mailbox | 550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. LPN416
hard no_such_mailbox | 550 5.1.1 Le destinataire n'existe pas
hard no_such_mailbox | 550 Benutzer unbekannt
hard no_such_mailbox | 550 El usuario no existe
hard no_such_mailbox | 550 Usuário desconhecido
hard no_such_mailbox | 550 Utente sconosciuto
hard no_such_mailbox | 550 Onbekende gebruiker
hard no_such_mailbox | 550 User not found: someone@mail.ru
hard no_such_mailbox | 550 5.7.1 No such user!
hard no_such_mailbox | 550 Mailbox not found or access denied
hard no_such_mailbox | 550 Пользователь не найден
hard no_such_mailbox | 550 該当するユーザーはありません
hard no_such_mailbox | 550 5.2.1 The email account that you tried to reach does not exist
hard no_such_mailbox | 550 RCPT TO:<someone@example.com> User unknown
hard no_such_mailbox | 550 No such person at this address
hard no_such_mailbox | 554 5.4.4 [internal] no such user
hard no_such_domain | 550 Host unknown (Name server: example.invalid: host not found)
hard no_such_domain | 5.4.4 Host or domain name not found. Name service error for name=example.invalid type=A: Host not found
hard no_such_domain | 5.1.2 The recipient domain does not exist: domain not found
hard no_such_domain | 550 5.4.310 DNS domain example.invalid does not exist [Message=InfoDomainNonexistent]
hard no_such_domain | DNS Error: DNS type 'mx' lookup of example.invalid responded with code NXDOMAIN Domain name not found: example.invalid
hard no_such_domain | 550 5.1.2 <someone@example.invalid>... Host unknown
hard no_such_domain | Unrouteable mail domain "example.invalid"
hard no_such_domain | all relevant MX records point to non-existent hosts
hard takes_no_mail | 556 5.1.10 example.com does not accept mail (nullMX)
hard takes_no_mail | 521 5.3.2 Server does not accept mail
hard takes_no_mail | 5.1.0 Domain example.com does not accept mail (nullMX)
hard moved | 551 5.1.6 The recipient has moved
soft mailbox_full | 452 4.2.2 The email account that you tried to reach is over quota. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaTemp
soft mailbox_full | 552 5.2.2 The email account that you tried to reach is over quota and inactive.
soft mailbox_full | 554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded
soft mailbox_full | 552 1 Requested mail action aborted, mailbox full
soft mailbox_full | 552 5.2.2 <someone@icloud.com>: user is over quota
soft mailbox_full | 452 4.2.2 <someone@example.com> Mailbox full
soft mailbox_full | 550 Mailbox quota exceeded / Boite du destinataire pleine. OFR417 [417]
soft mailbox_full | 552 Mailbox size limit exceeded
soft mailbox_full | 550 5.2.2 Postfach ist voll
soft mailbox_full | 552 5.2.2 Buzón lleno: someone
soft mailbox_full | 552 Message rejected, mailbox is full
soft mailbox_full | 550 Recipient's mailbox is full, message returned to sender. (#5.2.2)
soft mailbox_full | 552 sorry, that recipient's mailbox is full
soft mailbox_full | 450 4.2.2 Mailbox full
soft mailbox_full | 554 5.2.2 Account over quota
soft mailbox_full | 452 4.1.1 <someone@example.com> 4.2.2 mailbox full
soft message_too_large | 552 5.3.4 Message size exceeds fixed limit
soft message_too_large | 552 5.2.3 Message size exceeds maximum permitted
soft message_too_large | 552-5.2.3 Your message exceeded Google's message size limits.
soft message_too_large | 554 5.3.4 Message too big for system
soft mailbox_disabled | 550 5.2.1 The email account that you tried to reach is disabled
soft mailbox_disabled | 554 30 Sorry, your message to someone@yahoo.com cannot be delivered. This mailbox is disabled (554.30).
soft mailbox_disabled | 550 5.2.1 <someone@example.com>... Mailbox disabled for this recipient
soft mailbox_disabled | 550 Account inactive
soft mailbox_disabled | 550 5.2.1 This mailbox has been blocked due to inactivity
soft mailbox_disabled | 550 Message was not accepted -- invalid mailbox. Local mailbox someone@mail.ru is unavailable: account is disabled
blocked sender_rejected | 550 Recipient only accepts mail from authenticated users
hard no_such_mailbox | 550 Utilizatorul nu exista
soft mailbox_full | 550 Cutia postala este plina
hard no_such_mailbox | 550 Your account was closed for inactivity
soft not_reachable | 421 4.4.2 Connection closed due to inactivity
soft not_reachable | 450 4.4.1 Disconnected for inactivity
soft rate_limited | 421 4.7.28 Our system has detected an unusual amount of mail; rate limited
soft rate_limited | 452 4.5.3 Error: too many recipients
soft rate_limited | 421 4.7.0 Too many connections
soft rate_limited | 450 4.2.1 The user you are trying to contact is receiving mail too quickly.
soft rate_limited | 451 4.7.500 Server busy. Please try again later: throttled
soft greylisted | 450 4.2.0 <someone@example.com>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.com.html
soft greylisted | 451 4.7.1 Greylisting in action, please come back later
soft greylisted | 451 Greylisted, please try again in 180 seconds
soft loop | 554 5.4.6 Too many hops
soft loop | 554 5.4.14 Hop count exceeded - possible mail loop ATTR34
soft not_reachable | 4.4.1 connect to mx.example.com[192.0.2.1]:25: Connection timed out
soft not_reachable | 441 4.4.1 Error encountered while communicating with primary target IP address: Failed to connect. Connection refused
soft not_reachable | 4.4.2 lost connection with mx.example.com[192.0.2.1] while sending RCPT TO
soft expired | 550 4.4.7 QUEUE.Expired; message expired
soft expired | retry timeout exceeded
soft expired | 4.4.7 Message expired: unable to deliver in 840 minutes
soft receiver_busy | 451 4.3.0 Temporary system problem. Try again later
soft receiver_busy | 452 4.3.1 Insufficient system resources (UsedDiskSpace[C:])
soft receiver_busy | 554 5.3.0 Internal system error
soft receiver_busy | 421 Service not available, closing transmission channel
soft receiver_busy | 451 Temporary local problem - please try later
blocked reputation | 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1
blocked reputation | 550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).
blocked reputation | 550 SC-001 (COL004-MC1F14) Unfortunately, messages from 192.0.2.1 weren't sent. Please contact your Internet service provider since part of their network is on our block list.
blocked reputation | 421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1
blocked reputation | 553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list
blocked reputation | 550-5.7.1 [192.0.2.1 1] Our system has detected that this message is likely suspicious due to the very low reputation of the sending IP address.
blocked reputation | 554 imta01.westchester.pa.mail.comcast.net comcast 192.0.2.1 Comcast block for spam. Please see http://postmaster.comcast.net/smtp-error-codes.php#BL000000
blocked reputation | 550 5.7.606 Access denied, banned sending IP [192.0.2.1]
blocked reputation | 554 Your access to this mail system has been rejected due to the sending MTA's poor reputation.
blocked reputation | 550 5.7.1 Mail from 192.0.2.1 has been denied: blacklisted
blocked reputation | 554-mail.example.com Your IP address is listed in the Barracuda Reputation block list
blocked authentication | 550-5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.
blocked authentication | 550 5.7.515 Access denied, sending domain example.com does not meet the required authentication level.
blocked authentication | 550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification and has a DMARC policy of reject.
blocked authentication | 554 5.7.9 Message not accepted for policy reasons. See DMARC
blocked authentication | 550 5.7.1 Email rejected per DMARC policy
blocked authentication | 550 5.7.23 The message was rejected because of Sender Policy Framework violation
blocked authentication | 550 SPF: 192.0.2.1 is not allowed to send mail from example.com
blocked sender_dns | 550-5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record setup
blocked sender_dns | 450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]
blocked sender_dns | 554 5.7.1 <unknown[192.0.2.1]>: Helo command rejected: Host not found
blocked sender_rejected | 550 5.1.8 <someone@example.com>: Sender address rejected: Domain not found
blocked sender_rejected | 553 5.1.8 <someone@example.com>... Domain of sender address does not exist
blocked sender_rejected | 501 5.1.7 Invalid sender address
blocked sender_rejected | 550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required
blocked content | 550 5.7.1 Message rejected as spam by Content Filtering.
blocked content | 554 5.7.1 The message from (<a@example.com>) with the subject of (hello) matches a profile the Internet community may consider spam.
blocked content | 550-5.7.1 Our system has detected that this message is likely unsolicited mail.
blocked content | 554 5.7.1 [HM08] Message rejected due to local policy: spam content
blocked content | 552-5.7.0 This message was blocked because its content presents a potential security issue. attachment
blocked content | 550 High probability of spam
blocked virus | 554 5.7.1 virus Eicar-Test-Signature detected by ClamAV
blocked relaying | 554 5.7.1 <someone@example.com>: Relay access denied
blocked relaying | 550 5.7.1 Unable to relay
blocked relaying | 553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)
blocked relaying | 530 5.7.0 Must be authenticated first: Authentication required
blocked policy | 550 5.7.1 Message rejected due to local policy
blocked policy | 554 5.7.1 Access denied
blocked encryption | 530 5.7.0 Must issue a STARTTLS command first
hard no_such_mailbox | 550 This account has been permanently closed
hard no_such_mailbox | 550 5.2.1 Mailbox closed
hard no_such_mailbox | 550 Sorry, this user has left the company
hard no_such_mailbox | 550 Utente non valido del servizio di posta elettronica
hard no_such_mailbox | 550 Käyttäjää ei ole
soft mailbox_full | 550 Message rejected: mailbox someone@example.ru is full
blocked authentication | 550 域名 SPF 验证失败
unknown unexplained | 550 5.0.0
unknown unexplained | 554 Transaction failed.
"""
