package edgediff.demo

import android.text.format.Formatter
import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.ProgressBar
import android.widget.TextView
import edgediff.runtime.AnyAnswer
import edgediff.runtime.Answer
import edgediff.runtime.LabelledWord
import edgediff.runtime.LabelledWords
import edgediff.runtime.Span
import java.text.NumberFormat
import kotlin.math.roundToInt
import kotlin.time.Duration
import kotlin.time.DurationUnit

/** How many labels are shown; most tasks with more have next to nothing for the others. */
private const val MAX_BARS = 5

/** Stands for no label in tasks that label words. */
private const val OUTSIDE = "O"

/** The views of an answer in [card], which is gone as long as there is none. */
class AnswerCard(private val card: View) {
    private val resources = card.resources
    private val task: TextView = card.findViewById(R.id.asked_task)
    private val headline: TextView = card.findViewById(R.id.headline)
    private val passage: TextView = card.findViewById(R.id.passage)
    private val bars: ViewGroup = card.findViewById(R.id.bars)
    private val more: TextView = card.findViewById(R.id.more)
    private val cut: View = card.findViewById(R.id.cut)
    private val facts: TextView = card.findViewById(R.id.facts)
    private val percent = NumberFormat.getPercentInstance().apply {
        minimumFractionDigits = 1
        maximumFractionDigits = 1
    }
    private var shown: Outcome? = null

    /** Shows what was found. */
    fun show(outcome: Outcome?) {
        card.visibility = if (outcome == null) View.GONE else View.VISIBLE
        if (outcome == null || outcome == shown) return
        shown = outcome
        bars.removeAllViews()
        more.showOrHide(null)
        passage.showOrHide(null)
        task.text = outcome.question.task
        show(outcome.answer, outcome.question.pair.orEmpty())
        cut.visibility = if (outcome.cut) View.VISIBLE else View.GONE
        facts.text = resources.getString(
            R.string.facts,
            Formatter.formatShortFileSize(card.context, outcome.fileBytes),
            outcome.switchTime.inMilliseconds,
            outcome.runTime.inMilliseconds,
        )
    }

    private fun show(answer: AnyAnswer, context: String) = when (answer) {
        is Answer -> showLabels(answer)
        is LabelledWords -> showWords(answer)
        is Span -> {
            headline.text = answer.text.ifEmpty { resources.getString(R.string.no_span) }
            passage.showOrHide(card.context.marked(context, answer.start until answer.start + answer.text.length))
        }
    }

    private fun showLabels(answer: Answer) {
        headline.text = answer.number?.let { NumberFormat.getNumberInstance().format(it) }
            ?: answer.labels.joinToString().ifEmpty { resources.getString(R.string.no_label) }
        val scores = answer.scores.entries.sortedByDescending { it.value }
        for ((label, score) in scores.take(MAX_BARS)) addBar(label, score)
        val rest = scores.size - MAX_BARS
        if (rest > 0) more.showOrHide(resources.getQuantityString(R.plurals.more, rest, rest))
    }

    private fun showWords(answer: LabelledWords) {
        val labelled = answer.words.filter(::isLabelled)
        headline.text = if (labelled.isEmpty()) {
            resources.getString(R.string.no_words)
        } else {
            resources.getQuantityString(R.plurals.words, labelled.size, labelled.size)
        }
        passage.showOrHide(card.context.marked(answer, ::isLabelled))
        for (word in labelled) addBar(resources.getString(R.string.word, word.word, word.label), word.probability)
    }

    private fun addBar(label: String, score: Double) {
        val value = percent.format(score)
        val bar = LayoutInflater.from(card.context).inflate(R.layout.bar, bars, false)
        bar.findViewById<TextView>(R.id.label).text = label
        bar.findViewById<TextView>(R.id.value).text = value
        bar.findViewById<ProgressBar>(R.id.score).run { progress = if (score.isNaN()) 0 else (score * max).roundToInt() }
        bar.contentDescription = resources.getString(R.string.bar, label, value)
        bars.addView(bar)
    }
}

private fun isLabelled(word: LabelledWord): Boolean = word.label != null && word.label != OUTSIDE

/** For people: with fractions. */
internal val Duration.inMilliseconds: Double get() = toDouble(DurationUnit.MILLISECONDS)
