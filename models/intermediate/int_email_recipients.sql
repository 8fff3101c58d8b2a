with

email_recipients as (

    select * from {{ email_recipients() }}

)

select * from email_recipients
