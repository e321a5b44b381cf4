# frozen_string_literal: true

require 'json'
require 'logger'

module FunctoryLambda
  # The lines of Logger carry the request id, and errors are told before they are sent.
  module Log
    class << self
      attr_accessor :request_id

      def error(title, error)
        if ENV['AWS_LAMBDA_LOG_FORMAT'] == 'JSON'
          $stdout.puts(JSON.generate({ timestamp: timestamp, level: 'ERROR', message: title, requestId: request_id }
                                       .merge(error.to_h)))
        else
          $stdout.puts(title)
          $stdout.puts(error.pretty)
        end
      end

      def timestamp
        Time.now.utc.strftime('%Y-%m-%dT%H:%M:%S.%LZ')
      end

      # AWS: a Logger that writes to standard output has AWS's format unless it is given one.
      def patch_logger
        ::Logger.prepend(Patch)
      end
    end

    # Puts the request id between severity and program name, as AWS does.
    class Formatter < ::Logger::Formatter
      LINE = "%<letter>s, [%<time>s #%<pid>d] %<severity>5s %<request_id>s -- %<program>s: %<message>s\n"

      def call(severity, time, program, message)
        return json(severity, program, message) if ENV['AWS_LAMBDA_LOG_FORMAT'] == 'JSON'

        format(LINE, letter: severity[0], time: time.strftime('%Y-%m-%dT%H:%M:%S.%6N'), pid: Process.pid,
                     severity: severity, request_id: Log.request_id, program: program, message: msg2str(message))
      end

      private

      def json(severity, program, message)
        record = { timestamp: Log.timestamp, level: severity, message: msg2str(message), requestId: Log.request_id }
        record[:progname] = program if program
        "#{JSON.generate(record)}\n"
      end
    end

    # See `Log.patch_logger`.
    module Patch
      def initialize(device, *args, **options)
        super
        self.formatter ||= Formatter.new if [$stdout, $stderr].include?(device)
      end
    end
  end
end
