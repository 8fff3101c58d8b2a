{#
    Recipients of an email that the application hasn't written (yet): they are in
    no email's counts until it is.
#}
{{ config(severity='warn') }}

select
    recipients.email_id,
    count(*) as recipients

from {{ ref('fct_recipient_status') }} as recipients

left join {{ ref('fct_email_performance') }} as performance
    on recipients.email_id = performance.email_id

where performance.email_id is null

group by recipients.email_id
