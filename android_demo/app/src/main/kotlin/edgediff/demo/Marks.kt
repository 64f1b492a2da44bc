package edgediff.demo

import android.content.Context
import android.graphics.Typeface
import android.text.SpannableStringBuilder
import android.text.Spanned.SPAN_EXCLUSIVE_EXCLUSIVE
import android.text.style.BackgroundColorSpan
import android.text.style.ForegroundColorSpan
import android.text.style.StyleSpan
import edgediff.runtime.LabelledWord
import edgediff.runtime.LabelledWords

/** [text] with [part] marked. */
fun Context.marked(text: String, part: IntRange): CharSequence =
    SpannableStringBuilder(text).also { mark(it, part.first, part.last + 1) }

/** The words of [answer], those that are [chosen] marked, those that the model did not see pale. */
fun Context.marked(answer: LabelledWords, chosen: (LabelledWord) -> Boolean): CharSequence {
    val text = SpannableStringBuilder()
    for (word in answer.words) {
        if (text.isNotEmpty()) text.append(' ')
        val start = text.length
        text.append(word.word)
        if (chosen(word)) mark(text, start, text.length)
        if (word.label == null) {
            text.setSpan(ForegroundColorSpan(getColor(R.color.pale)), start, text.length, SPAN_EXCLUSIVE_EXCLUSIVE)
        }
    }
    return text
}

private fun Context.mark(text: SpannableStringBuilder, start: Int, end: Int) {
    text.setSpan(BackgroundColorSpan(getColor(R.color.mark)), start, end, SPAN_EXCLUSIVE_EXCLUSIVE)
    text.setSpan(StyleSpan(Typeface.BOLD), start, end, SPAN_EXCLUSIVE_EXCLUSIVE)
}
