from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('classifier', "0006_comparison"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='prediction',
            name='prediction_by_probability',
        ),
        migrations.AddIndex(
            model_name='prediction',
            index=models.Index(condition=models.Q(('text_purged_at', None)), fields=['positive_probability', 'id', 'text_purged_at'], name='prediction_to_review'),
        ),
    ]
